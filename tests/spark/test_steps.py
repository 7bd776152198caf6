"""Every run of a job is recorded, and is not repeated while nothing has changed."""

from __future__ import annotations

from datetime import datetime

import pytest

from sparkperso.errors import JobError, QualityGateError
from sparkperso.jobs.step import Step, carry_out, is_up_to_date
from sparkperso.schemas import TABLES

TABLE = "ops/data_quality"


def quality_rows(job, count):
    rows = [("r", "s", "b", f"rule-{i}", i, datetime(2026, 1, 1)) for i in range(count)]
    return job.spark.createDataFrame(rows, TABLES[TABLE].struct())


def write_items(job):
    day = datetime(2026, 1, 1)
    rows = [(f"i{n}", None, None, [], 1.0, {}, day, (day, day, day)) for n in range(2)]
    frame = job.spark.createDataFrame(rows, TABLES["silver/items"].struct())
    job.read(TABLE)
    job.writer("silver/items").overwrite(frame)
    return {"items": 2}


STEP = Step("copy", write_items, inputs=(TABLE,), outputs=("silver/items",))


@pytest.fixture
def job(make_job):
    job = make_job("copy")
    job.writer(TABLE).append(quality_rows(job, 1))
    job.lake.forget()
    return job


def test_a_step_is_repeated_only_when_its_input_has_changed(job, make_job):
    carry_out(STEP, job)
    assert is_up_to_date(STEP, make_job("copy"))
    job.writer(TABLE).append(quality_rows(job, 1))
    assert not is_up_to_date(STEP, make_job("copy"))


def test_a_step_is_repeated_when_its_configuration_has_changed(job, make_job):
    carry_out(STEP, job)
    assert not is_up_to_date(STEP, make_job("copy", set=["features.session_gap_minutes=5"]))


def test_the_lineage_names_versions_of_inputs_and_outputs(job):
    carry_out(STEP, job)
    rows = job.lake.ref("ops/lineage").read().collect()
    assert {(r.direction, r.table_name, r.delta_version) for r in rows} == {
        ("input", TABLE, job.lake.ref(TABLE).version()),
        ("output", "silver/items", job.lake.ref("silver/items").version()),
    }


@pytest.mark.parametrize(
    ("error", "status"), [(QualityGateError("no"), "gate"), (JobError("broken"), "failed")]
)
def test_what_went_wrong_is_recorded_and_raised(job, error, status):
    def fail(job):
        raise error

    with pytest.raises(type(error)):
        carry_out(Step("copy", fail, inputs=(TABLE,)), job)
    run = job.lake.ref("ops/runs").read().first()
    assert (run.status, run.error) == (status, str(error))


def test_the_default_as_of_is_refused_without_events(make_job):
    with pytest.raises(JobError, match="ingest-events"):
        _ = make_job("any").as_of
