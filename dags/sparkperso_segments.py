"""Features, segments and profiles anew, on a schedule, by Airflow 3. docs/segments.md says how.

SPARKPERSO_COMMAND  how the command is called: `sparkperso`, a path to it, or to a script around it
SPARKPERSO_OPTIONS  what goes with it: `--lake /srv/shop/lake` (an absolute folder, or a URI)
SPARKPERSO_SCHEDULE when it runs: `@weekly`, `@daily`, or a cron expression (UTC)
"""

import os
import shlex
import subprocess
from datetime import timedelta
from itertools import pairwise

import pendulum
import yaml
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, task

COMMAND = shlex.split(os.environ.get("SPARKPERSO_COMMAND", "sparkperso"))
OPTIONS = shlex.split(os.environ.get("SPARKPERSO_OPTIONS", ""))
SCHEDULE = os.environ.get("SPARKPERSO_SCHEDULE", "@weekly")
# The scheduled steps of `sparkperso.pipeline.registry`, which Airflow's Python need not have.
STEPS = ("build-features", "build-segments", "build-profiles")
FINAL = {2: "the command or its configuration is wrong", 3: "a quality gate failed"}


def carry_out(name: str) -> None:
    """Runs a command; what trying again would not change fails at once."""
    require_lasting_places()
    require_done(name, SubprocessHook().run_command([*COMMAND, name, *OPTIONS]).exit_code)


def require_done(name: str, status: int) -> None:
    """Fails the task when a command did, by its exit status."""
    if status in FINAL:
        raise AirflowFailException(f"{name} ended with {status}: {FINAL[status]}")
    if status:
        raise AirflowException(f"{name} ended with {status}")


def require_lasting_places() -> None:
    """Fails the task when it would write into its own folder, which Airflow removes with it."""
    line = [*COMMAND, "config", "show", *OPTIONS]
    shown = subprocess.run(line, capture_output=True, text=True, check=False)
    require_done(f"config show ({shown.stderr.strip()})", shown.returncode)
    settings = yaml.safe_load(shown.stdout)
    lake, tracking = settings["lake"], settings["tracking"]["uri"] or ""
    places = {"lake.root": lake["root"]} if not lake["catalog"] else {}
    if tracking.startswith("sqlite:///"):
        places["tracking.uri"] = tracking.removeprefix("sqlite:///")
    for name, place in places.items():
        if "://" not in place and not os.path.isabs(place):
            raise AirflowFailException(
                f"{name} should be an absolute folder or a URI. Found '{place}', relative to the "
                "task's folder, which is removed when it ends. Set it in SPARKPERSO_OPTIONS, such "
                "as --lake /srv/shop/lake."
            )


with DAG(
    dag_id="sparkperso_segments",
    description="User features, then segments and their history, then profiles.",
    schedule=SCHEDULE,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    tags=["sparkperso"],
):
    steps = [task(carry_out, task_id=name.replace("-", "_"))(name) for name in STEPS]
    for before, after in pairwise(steps):
        before >> after
