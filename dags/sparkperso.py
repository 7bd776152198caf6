"""All steps, those of segments alone, and monitoring, on schedules, by Airflow 3; docs/cluster.md.

SPARKPERSO_COMMAND  how the command is called: `sparkperso`, or a path to it
SPARKPERSO_OPTIONS  what goes with every step: `--lake /srv/shop/lake` (absolute, or a URI)
SPARKPERSO_INGEST   what goes with ingest-events besides: `--source events --path /srv/shop/in`
SPARKPERSO_SUBMIT   on a cluster: `--master spark://master:7077`; then spark-submit runs the steps
SPARKPERSO_SCHEDULE, SPARKPERSO_SEGMENTS_SCHEDULE, SPARKPERSO_MONITOR_SCHEDULE
                    when they run: `@daily`, a cron expression (UTC), or `none`
SPARKPERSO_HOURS    how long a step may take
"""

import os
import shlex
import subprocess
from datetime import timedelta

import pendulum
import yaml
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, get_current_context, task

COMMAND = shlex.split(os.environ.get("SPARKPERSO_COMMAND", "sparkperso"))
OPTIONS = shlex.split(os.environ.get("SPARKPERSO_OPTIONS", ""))
INGEST = shlex.split(os.environ.get("SPARKPERSO_INGEST", ""))
SUBMIT = shlex.split(os.environ.get("SPARKPERSO_SUBMIT", ""))
HOURS = float(os.environ.get("SPARKPERSO_HOURS", "6"))
# Those of `sparkperso.pipeline.registry`, which Airflow's Python need not have.
STEPS = {
    "ingest-events": (),
    "build-features": ("ingest-events",),
    "build-segments": ("build-features",),
    "build-profiles": ("build-segments",),
    "train-recommender": ("build-features",),
    "promote-model": ("train-recommender",),
    "build-recommendations": ("promote-model",),
}
"""Step of a run → the steps that it waits for."""
SCHEDULED = ("build-features", "build-segments", "build-profiles")
MONITORING = {"monitor": (), "alerts send": ("monitor",)}
DESPITE_GATE = ("build-recommendations",)
"""Steps that go on with what was there before where the one before them failed."""
FINAL = {2: "the command or its configuration is wrong", 3: "a quality gate failed"}


def carry_out(name: str) -> None:
    """Runs a command; what trying again would not change fails at once."""
    require_lasting_places()
    options = [*OPTIONS, *(INGEST if name == "ingest-events" else [])]
    # Alerts are sent without Spark.
    if SUBMIT and name != "alerts send":
        line = [*submit_line(name), *options]
    else:
        line = [*COMMAND, *name.split(), *(["--env", "cluster"] if SUBMIT else []), *options]
    hook = SubprocessHook()
    # What Airflow calls when a step takes too long or is stopped: the command would else go on, and
    # the next try begin beside it.
    get_current_context()["task"].on_kill = hook.send_sigterm
    require_done(name, hook.run_command(line).exit_code)


def submit_line(name: str) -> list[str]:
    """Returns the spark-submit line of a command, up to its own options."""
    return shlex.split(ask(["jars", "--submit", name, *SUBMIT]))


def ask(words: list[str]) -> str:
    """Returns what the command prints; fails the task when it fails."""
    answer = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    require_done(f"{shlex.join(words)} ({answer.stderr.strip()})", answer.returncode)
    return answer.stdout


def require_done(name: str, status: int) -> None:
    """Fails the task when a command did, by its exit status."""
    if status in FINAL:
        raise AirflowFailException(f"{name} ended with {status}: {FINAL[status]}")
    if status:
        raise AirflowException(f"{name} ended with {status}")


def require_lasting_places() -> None:
    """Fails the task when it would write into its own folder, which Airflow removes with it."""
    environment = ["--env", "cluster"] if SUBMIT else []
    settings = yaml.safe_load(ask(["config", "show", *environment, *OPTIONS]))
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


def schedule(variable: str, default: str) -> str | None:
    """Returns when a DAG runs; None for one that is started by hand alone."""
    text = os.environ.get(variable, default)
    return None if text == "none" else text


def say_so() -> None:
    """Fails: a run of which a step failed is no success, though the steps after it went on."""
    raise AirflowFailException("A step of this run failed: its own log says why")


def make_dag(dag_id: str, description: str, when: str | None, names: tuple[str, ...]) -> DAG:
    """Returns a DAG of some of the steps, which wait for each other as in a run."""
    with DAG(
        dag_id=dag_id,
        description=description,
        schedule=when,
        start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
        catchup=False,
        max_active_runs=1,
        default_args={
            "retries": 2,
            "retry_delay": timedelta(minutes=10),
            "execution_timeout": timedelta(hours=HOURS),
        },
        tags=["sparkperso"],
    ) as dag:
        steps = {
            name: task(
                carry_out,
                task_id=name.replace("-", "_").replace(" ", "_"),
                trigger_rule="all_done" if name in DESPITE_GATE else "all_success",
            )(name)
            for name in names
        }
        for name, step in steps.items():
            for before in (STEPS | MONITORING)[name]:
                if before in steps:
                    steps[before] >> step
        # Airflow judges a run by its last tasks alone, and one of them may go on after a failure.
        (
            list(steps.values())
            >> task(say_so, task_id="failed_steps", trigger_rule="one_failed", retries=0)()
        )
    return dag


run = make_dag(
    "sparkperso",
    "Every step from raw events to recommendation tables.",
    schedule("SPARKPERSO_SCHEDULE", "15 2 * * *"),
    tuple(STEPS),
)
segments = make_dag(
    "sparkperso_segments",
    "Between two runs: user features, then segments and their history, then profiles.",
    schedule("SPARKPERSO_SEGMENTS_SCHEDULE", "15 12 * * 1"),
    SCHEDULED,
)
monitoring = make_dag(
    "sparkperso_monitor",
    "KPIs by day, what is out of the ordinary, and telling it.",
    schedule("SPARKPERSO_MONITOR_SCHEDULE", "15 6 * * *"),
    tuple(MONITORING),
)
