"""Features and segments anew, on a schedule. For Airflow 3; docs/segments.md says how to use it.

SPARKPERSO_COMMAND  how the command is called: `sparkperso`, or a path to it
SPARKPERSO_OPTIONS  what goes with it: `--env cluster --lake s3a://bucket/lake`
SPARKPERSO_SCHEDULE when it runs: `@weekly`, `@daily`, or a cron expression (UTC)
"""

import os
import shlex
from datetime import timedelta

import pendulum
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, task

COMMAND = shlex.split(os.environ.get("SPARKPERSO_COMMAND", "sparkperso"))
OPTIONS = shlex.split(os.environ.get("SPARKPERSO_OPTIONS", ""))
SCHEDULE = os.environ.get("SPARKPERSO_SCHEDULE", "@weekly")
FINAL = {2: "the command or its configuration is wrong", 3: "a quality gate said no"}


def carry_out(name: str) -> None:
    """Runs a command; what trying again would not mend fails at once."""
    status = SubprocessHook().run_command([*COMMAND, name, *OPTIONS]).exit_code
    if status in FINAL:
        raise AirflowFailException(f"{name} ended with {status}: {FINAL[status]}")
    if status:
        raise AirflowException(f"{name} ended with {status}")


with DAG(
    dag_id="sparkperso_segments",
    description="User features, then segments and their history.",
    schedule=SCHEDULE,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    tags=["sparkperso"],
):
    steps = [
        task(carry_out, task_id=name.replace("-", "_"))(name)
        for name in ("build-features", "build-segments")
    ]
    steps[0] >> steps[1]
