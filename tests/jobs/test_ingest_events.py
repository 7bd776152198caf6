"""ingest-events as a whole: the books balance, and no record is lost or counted twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pyspark.sql import functions as F
from tests.conftest import TEST_PROPERTIES

from sparkperso.cli.main import run_cli
from sparkperso.config import default_conf_dir
from sparkperso.core.errors import JobError, QualityGateError
from sparkperso.ingest import intake
from sparkperso.jobs import ingest_events
from sparkperso.pipeline.step import carry_out
from sparkperso.platform.lake import Lake
from sparkperso.testing.clickstream import inject_faults, make_click_stream, write_json_lines
from sparkperso.testing.plans import spark_work

pytestmark = pytest.mark.usefixtures("unrecorded")

# So that the made times stay young enough whenever the tests run; the old fault is of 1990.
YOUNG = "ingest.max_age_days=9000"
MAX_JOBS = 50
"""Of an ingest into an empty lake, which makes eight tables."""
TABLES = ("bronze/events", "silver/events", "silver/quarantine", "silver/items")


def event(number, **changes):
    fields = {"user_id": f"u{number}", "timestamp": f"2026-06-01T10:{number:02}:00Z"}
    return {**fields, "event_type": "item_view", "item_id": "i", "metadata": {}, **changes}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "in"


@pytest.fixture
def ingest(make_job, folder):
    def run(*settings, path=None):
        options = {"source": "events", "path": str(path or folder)}
        job = make_job("ingest-events", set=[YOUNG, *settings], **options)
        return dict(carry_out(ingest_events.STEP, job).summary)

    return run


@pytest.fixture
def sizes(lake):
    def count():
        return {name: lake.ref(name).read().count() for name in TABLES}

    return count


def balanced(summary):
    parts = ("valid", "quarantined", "duplicates", "refused")
    return summary["received"] == sum(summary[part] for part in parts)


def test_known_faults_are_found_to_the_last_one_and_a_replay_changes_nothing(
    ingest, sizes, lake, folder, spark
):
    faulty = inject_faults(make_click_stream(n_users=6, days=14).events)
    paths = write_json_lines(faulty.lines, folder, files=2, zipped=True)
    expected = faulty.expected
    with spark_work(spark) as work:
        summary = ingest()
    assert work.jobs <= MAX_JOBS
    assert balanced(summary)
    found = tuple(summary[k] for k in ("received", "valid", "quarantined", "duplicates"))
    assert found == (expected.received, expected.valid, expected.quarantined, expected.duplicates)
    assert counts_by_rule(lake) == expected.reasons
    before = sizes()
    assert before["silver/events"] == expected.valid

    assert ingest()["skipped files"] == 2
    assert sizes() == before

    copy = folder.parent / "copy.jsonl.gz"
    copy.write_bytes(Path(paths[0]).read_bytes())
    again = ingest("ingest.max_rejected_share=1", path=copy)
    assert again["duplicates"] == again["received"] > 0
    assert sizes() == before | {"bronze/events": before["bronze/events"] + again["received"]}


def counts_by_rule(lake):
    rows = lake.ref("ops/data_quality").read().where(F.col("rule").startswith("rule:")).collect()
    return {row["rule"].removeprefix("rule:"): row["n_records"] for row in rows}


def test_too_many_rejected_records_stop_the_run_before_silver(ingest, sizes, lake, folder):
    lines = [event(n, item_id="i" if n < 5 else None) for n in range(10)]
    write_json_lines(lines, folder)
    for _ in range(2):
        with pytest.raises(QualityGateError, match=r"5 of 10 were.*missing 5"):
            ingest()
        assert sizes() == dict(zip(TABLES, (10, 0, 5, 0), strict=True))
    allowed = ingest("ingest.max_rejected_share=0.5")
    assert (allowed["valid"], allowed["quarantined"], allowed["duplicates"]) == (5, 5, 0)
    assert sizes() == dict(zip(TABLES, (10, 5, 5, 1), strict=True))


def test_a_run_interrupted_anywhere_and_started_again_comes_to_the_same(
    ingest, sizes, folder, monkeypatch
):
    lines = [event(n % 8, item_id=None if n == 3 else "i") for n in range(10)]
    write_json_lines(lines, folder)

    def interrupted(*_):
        raise KeyboardInterrupt

    for step in ("append_quarantine", "changed_items", "close"):
        with monkeypatch.context() as patch:
            patch.setattr(intake, step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                ingest()
    summary = ingest()
    assert [summary[k] for k in ("received", "valid", "quarantined", "duplicates")] == [10, 7, 1, 2]
    assert sizes() == dict(zip(TABLES, (10, 7, 1, 1), strict=True))
    assert not list(folder.parent.glob("lake/_staging/*"))


def test_only_new_files_of_a_folder_are_taken_in(ingest, sizes, lake, folder):
    folder.mkdir()
    (folder / "a.jsonl").write_text("\n".join(json.dumps(event(n)) for n in range(3)))
    ingest()
    (folder / "b.jsonl").write_text("\n".join(json.dumps(event(n)) for n in range(2, 6)))
    summary = ingest()
    assert (summary["files"], summary["skipped files"]) == (1, 1)
    assert (summary["received"], summary["valid"], summary["duplicates"]) == (4, 3, 1)
    assert sizes()["silver/events"] == 6


def test_a_batch_touches_the_items_that_it_tells_something_new_about(ingest, lake, folder):
    folder.mkdir()
    lines = [event(n, item_id=item) for n, item in enumerate("ab")]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    ingest()
    stocked = lake.ref("silver/items").read()
    stocked = stocked.withColumns(
        {
            "title": F.lit("Loaded"),
            "tags": F.array(F.lit("new")),
            "attributes": F.create_map(F.lit("in_stock"), F.lit("3")),
        }
    )
    lake.writer("silver/items").overwrite(stocked)
    version = lake.ref("silver/items").version()

    (folder / "b.jsonl").write_text(json.dumps(event(5, item_id="a")))
    ingest()
    assert lake.ref("silver/items").version() == version  # nothing new: nothing written
    told = event(6, item_id="a", metadata={"category": "toys"})
    (folder / "c.jsonl").write_text("\n".join(map(json.dumps, [told, event(7, item_id="c")])))
    ingest()
    rows = {row.item_id: row for row in lake.ref("silver/items").read().collect()}
    kept = {"title": "Loaded", "tags": ["new"], "attributes": {"in_stock": "3"}}
    for item, category in (("a", "toys"), ("b", None)):
        assert {name: rows[item][name] for name in kept} == kept
        assert rows[item].category == category
    assert (rows["c"].title, rows["c"].tags, rows["c"].attributes) == (None, [], {})


def test_a_new_rule_takes_files_in_again_but_not_into_bronze(ingest, sizes, lake, folder):
    write_json_lines([event(n, channel="email") for n in range(3)], folder)
    ingest()
    again = ingest("ingest.max_metadata_entries=5")
    assert (again["received"], again["duplicates"]) == (3, 3)
    assert sizes() == dict(zip(TABLES, (3, 3, 0, 1), strict=True))


def test_a_corrupt_part_is_named_and_nothing_is_written(ingest, sizes, spark, folder):
    spark.createDataFrame(
        [("u", "2026-06-01", "click")], "user_id string, timestamp string, event_type string"
    ).coalesce(1).write.parquet(str(folder))
    good = next(folder.glob("*.parquet"))
    bad = good.with_name("part-00001-bad.parquet")
    bad.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    with pytest.raises(JobError, match=r"part-00001-bad\.parquet cannot be read"):
        ingest()
    assert set(sizes().values()) == {0}


def test_a_header_alone_is_no_data(ingest, sizes, folder):
    folder.mkdir()
    (folder / "e.csv").write_text("timestamp,event_type,user_id\n")
    with pytest.raises(JobError, match="at least one record"):
        ingest()
    assert set(sizes().values()) == {0}


def test_the_same_identifiers_in_two_sources_are_two_events(make_job, small_sources, sizes, folder):
    lines = [event(n, event_id=f"e{n}") for n in range(3)]
    lines += [event(3, event_id="bad", item_id=None)]
    write_json_lines(lines, folder)
    for number, name in enumerate(("events", "events", "other"), start=1):
        options = {"source": name, "path": str(folder)}
        if number == 2:
            copy = folder.parent / "copy"
            write_json_lines(lines, copy)
            options["path"] = str(copy)
        job = make_job("ingest-events", set=[YOUNG, "ingest.max_rejected_share=1"], **options)
        job.conf_dir = small_sources
        summary = dict(carry_out(ingest_events.STEP, job).summary)
        taken = [summary[k] for k in ("received", "valid", "quarantined", "duplicates")]
        assert taken == ([4, 0, 0, 4] if number == 2 else [4, 3, 1, 0])
    assert (sizes()["silver/events"], sizes()["silver/quarantine"]) == (6, 2)


@pytest.fixture
def small_sources(tmp_path):
    """A copy of conf/ with a second source of the same form."""
    conf = tmp_path / "conf"
    shutil.copytree(default_conf_dir(), conf)
    shutil.copy(conf / "sources" / "events.yaml", conf / "sources" / "other.yaml")
    return conf


def test_lakes_and_folders_may_have_any_name(spark, settings, tmp_path):
    """Through the command, with a lake, a configuration and files of that name."""
    name = "#ü+'\"\\;,&=$"
    place = tmp_path / "events in" / "100% [a-z]{1,2}*?" / name
    write_json_lines([event(n, item_id=None if n == 3 else "i") for n in range(4)], place / "in")
    conf = place / "conf"
    shutil.copytree(default_conf_dir(), conf)
    options = ["--lake", str(place / "lake"), "--conf-dir", str(conf), "--source", "events"]
    more = [f"--set={line}" for line in (*TEST_PROPERTIES, YOUNG, "ingest.max_rejected_share=1")]
    assert run_cli(["ingest-events", *options, "--path", str(place / "in"), *more]) == 0
    assert run_cli(["replay-quarantine", *options, *more]) == 0
    lake = Lake(spark, settings.lake.model_copy(update={"root": str(place / "lake")}))
    assert lake.ref("silver/events").read().count() == 3
