"""Every run of a job is recorded, and is not repeated while nothing has changed."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime

import pytest

from sparkperso import __version__
from sparkperso.cli.job_commands import JOB_COMMANDS
from sparkperso.config.platform import LakeConfig
from sparkperso.core.errors import JobError, QualityGateError
from sparkperso.jobs.build_segments import job as build_segments
from sparkperso.jobs.run import run_steps
from sparkperso.notebook import options_of
from sparkperso.pipeline import step as steps
from sparkperso.pipeline.code import code_version, modules
from sparkperso.pipeline.step import Step, carry_out, is_up_to_date
from sparkperso.platform.frames import keep_cached, keep_pinned
from sparkperso.platform.lake import TableWriter
from sparkperso.schemas import TABLES
from sparkperso.testing.frames import events_frame, table_frame
from sparkperso.testing.plans import kept_frames

TABLE = "ops/data_quality"


def quality_rows(job, count):
    rows = [("r", "s", "b", f"rule-{i}", i, datetime(2026, 1, 1)) for i in range(count)]
    return job.spark.createDataFrame(rows, TABLES[TABLE].struct())


def write_items(job):
    day = datetime(2026, 1, 1)
    known = {"tags": [], "price": 1.0, "attributes": {}, "first_seen_at": day}
    rows = [{"item_id": f"i{n}", "seen_at": (day, day, day), **known} for n in range(2)]
    frame = table_frame(job.spark, "silver/items", rows)
    job.read(TABLE)
    job.writer("silver/items").overwrite(frame)
    return {"items": 2}


STEP = Step("copy", write_items, inputs=(TABLE,), outputs=("silver/items",))


@pytest.fixture
def job(make_job):
    job = make_job("copy")
    job.writer(TABLE).append(quality_rows(job, 1))
    return make_job("copy")


def test_what_a_step_keeps_in_memory_ends_with_it_also_when_it_fails(job, make_job):
    def keep(job):
        for frame in (keep_cached(job.spark.range(3)), keep_pinned(job.spark.range(4))):
            frame.count()
        assert len(kept_frames(job.spark) - before) == 2
        if job.options.get("fails"):
            raise JobError("It should not fail", "It does")
        return {}

    step, before = replace(STEP, action=keep), kept_frames(job.spark)
    carry_out(step, make_job("copy"))
    assert kept_frames(job.spark) <= before
    with pytest.raises(JobError):
        carry_out(step, make_job("copy", fails=True))
    assert kept_frames(job.spark) <= before


def test_a_step_is_repeated_only_when_its_input_has_changed(job, make_job):
    carry_out(STEP, job)
    assert is_up_to_date(STEP, make_job("copy"))
    job.writer(TABLE).append(quality_rows(job, 1))
    assert not is_up_to_date(STEP, make_job("copy"))


def test_a_step_is_repeated_when_its_configuration_has_changed(job, make_job):
    carry_out(STEP, job)
    assert not is_up_to_date(STEP, make_job("copy", set=["features.session_gap_minutes=5"]))


def test_a_step_is_repeated_when_the_code_has_changed(job, make_job, monkeypatch):
    carry_out(STEP, job)
    monkeypatch.setattr(steps, "code_version", lambda: "0.1.0 of other modules")
    assert not is_up_to_date(STEP, make_job("copy"))


def test_a_step_done_by_its_own_command_is_not_done_again_by_run(job, make_job):
    given = options_of(JOB_COMMANDS["build-segments"], {"pictures": "folder", "force": True})
    step = replace(STEP, side_options=build_segments.STEP.side_options)
    own = make_job("copy", **given)
    carry_out(step, own)
    assert is_up_to_date(step, make_job("copy"))
    lake = own.settings.lake.root
    elsewhere = make_job("copy", set=["spark.driver_memory=3g"])
    assert is_up_to_date(step, replace(elsewhere, settings=relative(elsewhere.settings, lake)))
    assert not is_up_to_date(step, make_job("copy", as_of=datetime(2020, 1, 1)))
    assert not is_up_to_date(step, make_job("copy", other="given"))


def relative(settings, root):
    """The same lake under another name."""
    return settings.model_copy(update={"lake": LakeConfig(root=os.path.relpath(root))})


def test_a_run_looks_back_from_one_time_while_a_stream_goes_on(make_job):
    seen = []

    def arrive(job, day):
        event = {"user_id": "u", "timestamp": datetime(2026, 1, day)}
        job.lake.writer("silver/events").append(events_frame(job.spark, [event]))

    def look(job):
        seen.append(job.as_of)
        arrive(job, 10 + len(seen))
        return {}

    def take_in(job):
        arrive(job, 1)
        return {}

    looks = [Step(f"look-{n}", look, inputs=("silver/events",)) for n in range(2)]
    run_steps(make_job("run"), (Step("ingest-events", take_in), *looks))
    assert seen == [datetime(2026, 1, 1)] * 2


def test_the_code_version_changes_with_any_module(tmp_path):
    (tmp_path / "part").mkdir()
    for name in ("a.py", "part/b.py", "part/c.txt"):
        (tmp_path / name).write_text("")
    assert sorted(name for name, _ in modules(tmp_path)) == ["a.py", "part/b.py"]
    assert code_version().startswith(f"{__version__} ")


def test_what_a_job_reads_is_noted_once_and_what_it_wrote_is_no_input(job):
    job.lake.ref(TABLE).read()
    job.writer("silver/items").create()
    job.lake.ref("silver/items").read()
    first = job.lake.ref(TABLE).version()
    TableWriter(job.lake.ref(TABLE)).append(quality_rows(job, 1))
    assert (job.lake.inputs, list(job.lake.outputs)) == ({TABLE: first}, ["silver/items"])
    assert job.read(TABLE).count() == 1
    assert job.lake.ref(TABLE).read().count() == 2


def test_the_lineage_names_versions_of_inputs_and_outputs(job):
    carry_out(STEP, job)
    rows = job.lake.ref("ops/lineage").read().collect()
    assert {(r.direction, r.table_name, r.delta_version) for r in rows} == {
        ("input", TABLE, job.lake.ref(TABLE).version()),
        ("input", "silver/events", None),  # as-of is its latest timestamp; there is none yet
        ("output", "silver/items", job.lake.ref("silver/items").version()),
    }


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (QualityGateError("no"), "gate", "no"),
        (JobError("broken"), "failed", "broken"),
        (KeyboardInterrupt(), "failed", "Interrupted"),
    ],
)
def test_what_went_wrong_is_recorded_and_raised(job, error, status, told):
    def fail(job):
        raise error

    with pytest.raises(type(error)):
        carry_out(Step("copy", fail, inputs=(TABLE,)), job)
    run = job.lake.ref("ops/runs").read().first()
    assert run.status == status
    assert run.error.startswith(told)


def test_the_default_as_of_is_refused_without_events(make_job):
    with pytest.raises(JobError, match="ingest-events"):
        _ = make_job("any").as_of
