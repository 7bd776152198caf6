"""Rejected records that are repaired, or valid by newer rules, enter silver once."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.conftest import TEST_PROPERTIES, overridden
from tests.spool import hand_over, line

from sparkperso.config import load_settings
from sparkperso.core.errors import UsageError
from sparkperso.jobs import ingest_events, replay_quarantine
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.step import carry_out
from sparkperso.platform.lake import TableWriter

COUNTS = ("received", "valid", "quarantined", "duplicates", "refused")
LAX = "ingest.max_future_minutes=200"


@pytest.fixture
def replay(make_job):
    """Returns run(*settings, repaired=FILE), which replays and returns its counts."""

    def run(*settings, repaired=None):
        job = make_job("replay-quarantine", set=settings, source="collector", repaired=repaired)
        summary = carry_out(replay_quarantine.STEP, job).summary
        return [summary[name] for name in COUNTS]

    return run


@pytest.fixture(scope="module")
def lake_with_rejected(spark, tmp_path_factory):
    """One good event in silver; two ahead of their time, one of no known type, one broken."""
    root = tmp_path_factory.mktemp("rejected") / "lake"
    ahead = line(2, timestamp="2026-06-01T12:00:00Z")
    again = {**line(1), "timestamp": "2026-06-01T12:00:01Z"}
    nonsense = line(3, event_type="nonsense")
    hand_over(root, "a", [line(1), ahead, again, nonsense, "no object"])
    assignments = overridden(TEST_PROPERTIES, ["ingest.max_rejected_share=1"])
    settings = load_settings(assignments=assignments, lake=str(root))
    options = {"source": "collector", "path": None}
    carry_out(ingest_events.STEP, Job("ingest-events", settings, spark, options, say=str))
    return root


@pytest.fixture
def rejected(lake_with_rejected, lake):
    """This test's lake is a copy of that one."""
    shutil.copytree(lake_with_rejected, lake.config.root)


def events(lake):
    return sorted(row["event_id"] for row in lake.ref("silver/events").read().collect())


def quarantine(lake):
    rows = lake.ref("silver/quarantine").read().collect()
    return {row["payload"]: row for row in rows}


@pytest.mark.usefixtures("unrecorded")
def test_what_newer_rules_allow_enters_once_however_often_it_is_run(lake, rejected, replay):
    assert replay() == [3, 0, 3, 0, 0]
    assert replay(LAX) == [3, 1, 1, 1, 0]
    assert events(lake) == ["e1", "e2"]
    assert replay(LAX) == [1, 0, 1, 0, 0]
    assert replay() == [1, 0, 1, 0, 0]
    assert events(lake) == ["e1", "e2"]
    marked = sum(row["replayed_at"] is not None for row in quarantine(lake).values())
    assert (marked, len(quarantine(lake))) == (2, 4)


@pytest.mark.usefixtures("unrecorded")
def test_an_interrupted_replay_is_finished_with_the_same_counts(
    lake, rejected, replay, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(TableWriter, "merge", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            replay(LAX)
    assert events(lake) == ["e1", "e2"]
    assert replay(LAX) == [3, 1, 1, 1, 0]
    assert events(lake) == ["e1", "e2"]


def test_repaired_records_enter_under_the_name_that_they_were_rejected_by(
    lake, rejected, replay, tmp_path
):
    ids = {payload: row["record_id"] for payload, row in quarantine(lake).items()}
    mended = [
        {"record_id": record_id, "payload": {**line(7), "event_id": None}}
        for payload, record_id in ids.items()
        if payload == '"no object"' or "nonsense" in payload
    ]
    file = tmp_path / "repaired.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in mended))
    assert replay(repaired=str(file)) == [2, 2, 0, 0, 0]
    assert events(lake) == sorted(["e1", *(one["record_id"] for one in mended)])
    assert replay(repaired=str(file)) == [0, 0, 0, 0, 0]


def test_a_file_that_cannot_be_used_is_refused(rejected, replay, tmp_path):
    file = tmp_path / "repaired.jsonl"
    for text, says in (("{}", "line 1"), ('{"record_id": "x", "payload": {}}', "such as x")):
        file.write_text(text)
        with pytest.raises(UsageError, match=says):
            replay(repaired=str(file))
