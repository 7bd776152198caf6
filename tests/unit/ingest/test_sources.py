"""Sources as data: what a file of conf/sources may say, and how columns are found in files."""

from __future__ import annotations

import pytest

from sparkperso.config import default_conf_dir, load_named
from sparkperso.config.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.core.event import is_event_field
from sparkperso.ingest.sources.column_matching import match_columns
from sparkperso.ingest.sources.files import SourceFile
from sparkperso.ingest.sources.peek import header_in

SHIPPED = sorted(path.stem for path in (default_conf_dir() / "sources").glob("*.yaml"))

FILE = SourceFile("file:/in/a%20b.csv", 1, 0)


def source(**changes):
    plain = {"name": "s", "fields": ["who"], "columns": {"user_id": "who"}}
    return SourceConfig.model_validate({**plain, "consent": "assumed: contract", **changes})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_source_is_valid_and_states_its_basis_for_consent(name):
    config = load_named("sources", name, SourceConfig)
    assert config.asks_decisions or config.basis.startswith("assumed: ")


def test_an_unknown_source_is_refused_and_a_near_one_named():
    with pytest.raises(ConfigError, match="Did you mean 'online_retail'"):
        load_named("sources", "online_retial", SourceConfig)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": {"user": "who"}}, "no fields of an event"),
        ({"columns": {"context.colour": "who"}}, "no fields of an event"),
        ({"columns": {"collected.colour": "who"}}, "no fields of an event"),
        ({"time_zone": "Europe/Camelot"}, "IANA"),
        ({"consent": "yes"}, "pattern"),
        ({"let": {"WHO": "1"}}, "named twice"),
    ],
)
def test_what_a_source_may_not_say(changes, says):
    with pytest.raises(ValueError, match=says):
        source(**changes)


def test_the_plan_needs_only_fields_of_an_event():
    plan = load_named("tracking_plans", "default", TrackingPlan)
    named = {
        field for kind in plan.event_types.values() for field in (*kind.required, *kind.bounds)
    }
    assert {field for field in named if not is_event_field(field)} == set()


def test_columns_are_found_whatever_their_capitals_blanks_and_order():
    config = source(fields=["Customer ID", "Price"], aliases={"Price": ["UnitPrice"]})
    found = match_columns(config, ["extra", "unit_price", "customer_id"], "f.csv")
    assert found == {"Customer ID": "customer_id", "Price": "unit_price"}


def test_the_exact_name_wins_over_a_similar_one():
    assert match_columns(source(), ["WHO", "who"], "f.csv") == {"who": "who"}


def test_an_optional_column_may_be_absent():
    assert match_columns(source(optional_fields=["when"]), ["who"], "f.csv") == {"who": "who"}


def test_missing_columns_are_named_with_what_comes_closest():
    config = source(fields=["Quantity", "Price"])
    with pytest.raises(JobError) as error:
        match_columns(config, ["Quantitty", "Country"], "f.csv")
    message = str(error.value)
    parts = ("'Quantity' (nearest: 'Quantitty')", "'Price'", "Quantitty, Country", "aliases")
    assert all(part in message for part in parts)


@pytest.mark.parametrize("text", ['"user_id,' + "timestamp,event_type\n" * 9000, "[{}," * 40_000])
def test_a_header_without_an_end_is_refused_by_file(text):
    source = load_named("sources", "events", SourceConfig)
    with pytest.raises(JobError, match=r"in/a b\.csv has none: field larger .* limit") as refusal:
        header_in(text.replace(",", ";") if text[0] == "[" else text, FILE, source)
    assert "conf/sources/events.yaml" in str(refusal.value)


def test_a_header_is_the_first_row_with_something_in_it():
    source = load_named("sources", "events", SourceConfig)
    assert header_in('\n"user_id",,timestamp\n1,2,3\n', FILE, source) == (
        *("user_id", "_c1", "timestamp"),
    )
