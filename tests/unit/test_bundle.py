"""databricks.yml: what it names is there, and its tasks are steps in an order that works."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from databricks.sdk.service.catalog import PrivilegeAssignment
from databricks.sdk.service.jobs import JobRunAs, JobSettings
from tests.databricks_types import misfits

from sparkperso.cli.job_commands import JOB_COMMANDS
from sparkperso.config import load_settings
from sparkperso.jobs.run import STEPS
from sparkperso.pipeline.registry import JOBS, scheduled_steps, steps_of_run
from sparkperso.platform.lake import Lake
from sparkperso.schemas import TABLES

ROOT = Path(__file__).parents[2]
LAYERS = {name.split("/")[0] for name in TABLES}


@pytest.fixture(scope="module")
def bundle():
    return yaml.safe_load((ROOT / "databricks.yml").read_text())


def tasks_of(job):
    return {task["task_key"]: task for task in job["tasks"]}


@pytest.fixture
def tasks(bundle):
    return tasks_of(bundle["resources"]["jobs"]["sparkperso"])


def before(task):
    return [other["task_key"] for other in task.get("depends_on", [])]


def test_the_tasks_are_the_steps_of_a_run_as_the_registry_has_them(tasks):
    assert list(tasks) == [entry.name for entry in steps_of_run()]
    for entry in steps_of_run():
        task = tasks[entry.name]
        assert before(task) == list(entry.after)
        assert task["spark_python_task"]["python_file"] == f"jobs/{entry.script}"
        assert task.get("run_if") == ("ALL_DONE" if entry.despite_gate else None)


def test_the_dags_of_airflow_are_the_registrys():
    """Its Python need not have this package: so it names them itself."""
    tree = ast.parse((ROOT / "dags" / "sparkperso.py").read_text())
    named = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and node.targets[0].id in {"STEPS", "SCHEDULED", "DESPITE_GATE"}
    }
    assert named["STEPS"] == {entry.name: entry.after for entry in steps_of_run()}
    assert list(named["STEPS"]) == [entry.name for entry in steps_of_run()]
    assert list(named["SCHEDULED"]) == [entry.name for entry in scheduled_steps()]
    assert list(named["DESPITE_GATE"]) == [e.name for e in steps_of_run() if e.despite_gate]


def test_users_are_clustered_anew_on_a_schedule(bundle, tasks):
    job = bundle["resources"]["jobs"]["sparkperso-segments"]
    times = [bundle["variables"][name]["default"] for name in ("cron", "segments_cron")]
    for cron in map(str.split, times):
        assert len(cron) == 6
        assert "?" in (cron[3], cron[5])  # Quartz takes a day of the month or of the week
    assert times[0].split()[:3] != times[1].split()[:3]  # they write the same tables
    again = tasks_of(job)
    assert list(again) == [entry.name for entry in scheduled_steps()]
    for entry in scheduled_steps():
        assert before(again[entry.name]) == [name for name in entry.after if name in again]
    for name, task in again.items():
        same = {"spark_python_task", "libraries", "max_retries", "timeout_seconds"}
        assert {key: task[key] for key in same} == {key: tasks[name][key] for key in same}


def test_things_are_watched_on_a_schedule(bundle, tasks):
    job = bundle["resources"]["jobs"]["sparkperso-monitor"]
    assert job["schedule"]["quartz_cron_expression"] == "${var.monitor_cron}"
    (task,) = job["tasks"]
    assert task["spark_python_task"]["python_file"] == f"jobs/{JOBS['monitor'].script}"
    flags = task["spark_python_task"]["parameters"]
    assert flags == tasks["build-features"]["spark_python_task"]["parameters"]


def test_no_task_waits_for_itself(tasks):
    order = list(
        TopologicalSorter({name: before(task) for name, task in tasks.items()}).static_order()
    )
    assert sorted(order) == sorted(tasks)


def test_every_table_is_written_before_it_is_read(tasks):
    def ancestors(name):
        return {a for other in before(tasks[name]) for a in {other, *ancestors(other)}}

    # What a setting asks for is no task.
    for step in (step for step in STEPS if step.name in tasks):
        known = {table for s in STEPS if s.name in ancestors(step.name) for table in s.outputs}
        written = {table for s in STEPS for table in s.outputs}
        assert set(step.inputs) & written <= known | set(step.outputs)


def test_every_parameter_is_an_option_of_its_command(tasks):
    for name, task in tasks.items():
        known = {flag for option in JOB_COMMANDS[name].params for flag in option.opts}
        flags = {p for p in task["spark_python_task"]["parameters"] if p.startswith("--")}
        assert flags <= known


def test_every_task_runs_on_a_cluster_that_is_described(bundle):
    for job in bundle["resources"]["jobs"].values():
        described = {cluster["job_cluster_key"] for cluster in job["job_clusters"]}
        assert {task["job_cluster_key"] for task in job["tasks"]} == described


def test_the_lists_are_made_even_when_the_gate_says_no(tasks):
    assert [name for name, task in tasks.items() if "run_if" in task] == ["build-recommendations"]


def test_every_layer_has_its_schema_in_the_catalog(bundle):
    schemas = {schema["name"] for schema in bundle["resources"]["schemas"].values()}
    assert schemas == {name.split("/")[0] for name in TABLES}


def test_every_task_is_told_what_the_schemas_are_called(bundle):
    """Databricks gives schemas of a target in development a prefix."""
    wanted = {f"lake.schemas.{name}=${{resources.schemas.{name}.name}}" for name in LAYERS}
    assert set(bundle["resources"]["schemas"]) == LAYERS
    for job in bundle["resources"]["jobs"].values():
        for task in job["tasks"]:
            assert wanted <= set(task["spark_python_task"]["parameters"])


def test_tables_are_where_the_parameters_say():
    assignments = ["lake.catalog=dev", "lake.schemas.gold=dev_me_gold"]
    lake = Lake(None, load_settings("databricks", assignments=assignments).lake)
    places = [lake.ref(name).place for name in ("gold/segments", "silver/items")]
    assert places == ["dev.dev_me_gold.segments", "dev.silver.items"]


def test_jobs_are_what_databricks_takes(bundle):
    for job in bundle["resources"]["jobs"].values():
        assert list(misfits(JobSettings, job, "job")) == []


def test_a_key_or_value_that_databricks_does_not_take_is_found():
    tasks = [{"task_key": "a", "max_retry": 1, "run_if": "SOMETIMES", "timeout_seconds": "long"}]
    found = list(misfits(JobSettings, {"name": "x", "tasks": tasks}, "job"))
    assert [where for where, _ in found] == [
        "job.tasks[0].max_retry",
        "job.tasks[0].run_if",
        "job.tasks[0].timeout_seconds",
    ]


def test_jobs_are_scheduled_bounded_tried_again_and_told_of(bundle, tasks):
    for job in bundle["resources"]["jobs"].values():
        assert job["schedule"]["pause_status"] == "UNPAUSED"
        assert job["max_concurrent_runs"] == 1
        assert job["email_notifications"]["on_failure"] == "${var.notify}"
        for task in job["tasks"]:
            assert 0 < task["timeout_seconds"] <= job["timeout_seconds"]
    # A gate that says no would say so again.
    assert [name for name, task in tasks.items() if not task["max_retries"]] == ["promote-model"]


def test_a_failure_that_the_run_gets_over_is_told_by_its_own_task(tasks):
    """Databricks judges a run by its last tasks alone; one of them may go on after a failure."""

    def spoilt(name):
        after = [n for n, task in tasks.items() if name in before(task) and "run_if" not in task]
        return {name}.union(*(spoilt(n) for n in after))

    last = set(tasks) - {name for task in tasks.values() for name in before(task)}
    silent = [name for name in tasks if not spoilt(name) & last]
    assert silent == ["train-recommender", "promote-model"]
    for name in silent:
        assert tasks[name]["email_notifications"] == {"on_failure": "${var.notify}"}
        assert tasks[name]["notification_settings"] == {"alert_on_last_attempt": True}


def test_shared_targets_run_as_one_who_may_write_and_dev_as_whoever_deploys(bundle):
    targets = bundle["targets"]
    assert not {"run_as", "permissions", "resources"} & set(targets["dev"])
    for name in ("staging", "prod"):
        target = targets[name]
        assert list(misfits(JobRunAs, target["run_as"], "run_as")) == []
        runner = target["run_as"]["service_principal_name"]
        assert {right["level"] for right in target["permissions"]} <= {"CAN_VIEW", "CAN_MANAGE"}
        schemas = target["resources"]["schemas"]
        assert set(schemas) == LAYERS
        for schema in schemas.values():
            for grant in schema["grants"]:
                assert list(misfits(PrivilegeAssignment, grant, "grant")) == []
            written = {g["principal"]: set(g["privileges"]) for g in schema["grants"]}[runner]
            assert written >= {"USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY"}
    assert targets["staging"]["presets"] == {"trigger_pause_status": "PAUSED"}
    assert targets["prod"]["mode"] == "production"


def test_every_variable_that_is_named_is_there_and_has_a_value(bundle):
    text = (ROOT / "databricks.yml").read_text()
    assert set(re.findall(r"\$\{var\.(\w+)\}", text)) == set(bundle["variables"])
    assert all("default" in variable for variable in bundle["variables"].values())


def test_there_are_three_targets_and_one_default(bundle):
    targets = bundle["targets"]
    assert list(targets) == ["dev", "staging", "prod"]
    assert [name for name, target in targets.items() if target.get("default")] == ["dev"]
    used = {name for target in targets.values() for name in target["variables"]}
    assert used <= set(bundle["variables"])
