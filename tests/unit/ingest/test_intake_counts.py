"""The gate on rejected records, names of files, countries."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from sparkperso.config import load_named
from sparkperso.config.ingest import IngestConfig
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import JobError, QualityGateError, UsageError
from sparkperso.core.spellings import country_codes
from sparkperso.ingest.batch import rules_hash
from sparkperso.ingest.classify import IngestRules
from sparkperso.ingest.intake_counts import (
    IntakeCounts,
    ReasonCount,
    require_few_rejected,
    require_records,
)
from sparkperso.ingest.sources.files import SourceFile, format_of
from sparkperso.ingest.sources.places import resolve_path
from sparkperso.ingest.sources.read_errors import unreadable_files_named
from sparkperso.jobs.ingest_events.batch import max_rejected_share

COUNTS = IntakeCounts(received=100, refused=10, rejected=30)
REASONS = {"missing": ReasonCount(5, "no user_id"), "future": ReasonCount(25, "ahead: 2150")}


def test_the_parts_of_an_intake_add_up():
    assert COUNTS.readable + COUNTS.rejected + COUNTS.refused == COUNTS.received


def test_the_gate_names_the_top_reason_first_with_a_sample():
    with pytest.raises(QualityGateError) as error:
        require_few_rejected(COUNTS, REASONS, 0.2, "shop")
    message = str(error.value)
    assert "30 of 100" in message
    assert message.index("future 25 (such as: ahead: 2150)") < message.index("missing 5")


def test_the_gate_lets_the_configured_share_itself_pass():
    require_few_rejected(COUNTS, REASONS, 0.3, "shop")


def test_files_without_a_record_are_an_error():
    with pytest.raises(JobError, match="at least one record"):
        require_records(IntakeCounts(0, 0, 0), "shop")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "json"),
        ("a.JSON.gz", "json"),
        ("a.ndjson", "json"),
        ("a.b.csv.gz", "csv"),
        ("part-0.snappy.parquet", "parquet"),
    ],
)
def test_the_format_is_what_the_name_tells(name, kind):
    assert format_of(SourceFile(f"file:/d/{name}", 1, 1), None) == kind


def test_a_name_that_tells_nothing_is_refused_unless_the_source_gives_a_format():
    file = SourceFile("file:/d/events.dat", 1, 1)
    assert format_of(file, "csv") == "csv"
    with pytest.raises(UsageError, match=r"events\.dat"):
        format_of(file, None)


def test_shipped_data_is_found_in_the_package():
    assert resolve_path("package:x.parquet").endswith("sparkperso/data/x.parquet")
    assert resolve_path("s3://bucket/x") == "s3://bucket/x"


@pytest.mark.parametrize(
    ("name", "code"),
    [("UNITED KINGDOM", "GB"), ("GBR", "GB"), ("GB", "GB"), ("EIRE", "IE"), ("FRANCE", "FR")],
)
def test_countries_are_known_by_name_code_and_alias(name, code):
    assert country_codes({"Eire": "IE"})[name] == code


def test_what_is_no_country_is_in_no_table():
    assert "UNSPECIFIED" not in country_codes({})


@pytest.mark.parametrize(("source", "stops"), [("events", True), ("collector", False)])
def test_what_anybody_may_write_to_has_no_gate(source, stops):
    book = IngestRules(
        load_named("sources", source, SourceConfig),
        load_named("tracking_plans", "default", TrackingPlan),
        IngestConfig(),
    )
    reasons = {"unknown_type": ReasonCount(3, "wheel_spun")}
    with pytest.raises(QualityGateError) if stops else nullcontext():
        require_few_rejected(IntakeCounts(10, 0, 3), reasons, max_rejected_share(book), source)


def test_how_many_may_be_bad_takes_no_file_in_again():
    source = load_named("sources", "events", SourceConfig)
    plan = load_named("tracking_plans", "default", TrackingPlan)
    other = source.model_copy(update={"max_rejected_share": 1.0})
    config = IngestConfig()
    assert rules_hash(IngestRules(source, plan, config)) == rules_hash(
        IngestRules(other, plan, config)
    )


@pytest.mark.parametrize(
    "says",
    [
        "CANNOT_READ_FILE_FOOTER: Could not read footer for file: file:/a b/c.gz. Could not",
        "FAILED_READ_FILE: Encountered error while reading file file:/a%20b/c.gz.  SQLSTATE: 1",
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_is_behind_it(says):
    with (
        pytest.raises(JobError, match=r"file:/a b/c\.gz cannot be read: "),
        unreadable_files_named(),
    ):
        raise ValueError(says)
