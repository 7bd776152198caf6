"""Sources as data: what a file of conf/sources may say, and how columns are found in files."""

from __future__ import annotations

import pytest

from sparkperso.config import default_conf_dir, load_named
from sparkperso.config.sources.fields import FIELDS, MAPPED, is_field
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.sources.transactions import as_events
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.core.event import EVENT_FIELDS, is_event_field
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
        ({"columns": {"user": "who"}}, "'user' is no field of an event. Did you mean 'user_id'"),
        ({"columns": {"colour": "who"}}, "metadata.colour would be one"),
        ({"columns": {"context.colour": "who"}}, "no field of an event"),
        ({"columns": {"collected.colour": "who"}}, "no field of an event"),
        ({"time_zone": "Europe/Lodnon"}, "IANA.*Did you mean 'Europe/London'"),
        ({"consent": "yes"}, "pattern"),
        ({"consent": ""}, "on what basis"),
        ({"let": {"WHO": "1"}}, "named twice"),
        ({"explode": {"of": "who", "name": "who"}}, "named twice"),
        ({"fields": ["who", "a.b"], "let": {"a": "1"}}, "named twice"),
        ({"types": {"how": "int"}}, "types names 'how'.*Did you mean 'who'"),
        ({"aliases": {"woh": ["x"]}}, "aliases names 'woh'.*Did you mean 'who'"),
        ({"explode": {"of": "who", "name": "line"}, "columns": {"user_id": "line.who"}}, "whole"),
        ({"joins": {"goods": {"fields": ["a"], "by": {"who": "a"}}}}, "'goods' should have a path"),
        ({"kind": "items"}, "'user_id' is no field of an item"),
        ({"kind": "items", "columns": {"title": "who"}}, "should map item_id"),
        ({"kind": "transactions", "columns": {"user_id": "who"}}, "timestamp and unit_price"),
        ({"statuses": {"paid": "purchase"}}, "statuses are of transactions"),
    ],
)
def test_what_a_source_may_not_say(changes, says):
    with pytest.raises(ValueError, match=says):
        source(**changes)


def test_a_person_of_the_element_is_seen_through_let():
    explode = {"of": "who", "name": "line"}
    with pytest.raises(ValueError, match="as a whole"):
        source(explode=explode, let={"x": "line.who", "y": "x"}, columns={"user_id": "upper(y)"})
    assert source(explode=explode, columns={"item_id": "line.who"}).names_in("line.who") == {
        *("line", "who"),
    }


def test_items_need_no_basis_and_users_do():
    of_items = {"name": "s", "kind": "items", "fields": ["sku"], "columns": {"item_id": "sku"}}
    assert SourceConfig.model_validate(of_items).basis.startswith("assumed: ")
    with pytest.raises(ValueError, match="on what basis"):
        SourceConfig.model_validate({**of_items, "kind": "users", "columns": {"user_id": "sku"}})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kinds: items", "unknown key 'kinds' (did you mean 'kind'?)"),
        ("joins: {g: {path: x, felds: [a], by: {a: a}}}", "'joins.g.felds' (did you mean 'fields'"),
        ("explode: {oof: a}", "'explode.oof' (did you mean 'of'?)"),
        ("columns: {tilte: a}", "'tilte' is no field of an event. Did you mean 'metadata.title'?"),
        ("rules: [{cod: missing, when: a, message: b}]", "'rules.0.cod' (did you mean 'code'?)"),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest_and_nothing_else_is_shown(tmp_path, text, says):
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "s.yaml").write_text(f"fields: [a]\nconsent: required\n{text}\n")
    with pytest.raises(ConfigError) as refusal:
        load_named("sources", "s", SourceConfig, tmp_path)
    assert says in str(refusal.value)
    assert "{" not in str(refusal.value)


def test_fields_of_the_kinds_are_those_of_the_event_and_all_can_be_mapped():
    assert set(EVENT_FIELDS) <= set(FIELDS["events"])
    for kind, fields in FIELDS.items():
        assert all(is_field(kind, name) for name in fields)
        assert set(MAPPED[kind]) <= set(fields)
    assert all(is_field("events", name) for name in as_events(orders()).columns)


def orders(**changes):
    plain = {
        "name": "s",
        "kind": "transactions",
        "fields": ["who", "at", "n", "price", "state"],
        "columns": {
            "user_id": "who",
            "timestamp": "at",
            "order_id": "'o'",
            "quantity": "n",
            "unit_price": "price",
        },
    }
    return SourceConfig.model_validate({**plain, "consent": "assumed: contract", **changes})


def test_lines_of_orders_are_short_for_events():
    events = as_events(orders())
    assert events.kind == "events"
    assert events.columns["event_type"].startswith("CASE WHEN try_cast((n) AS DOUBLE) < 0")
    assert events.columns["value"] == ("abs(try_cast((n) AS DOUBLE)) * try_cast((price) AS DOUBLE)")
    assert events.columns["metadata.order_id"] == "'o'"
    assert [rule.message for rule in events.rules] == [
        "quantity is not a number",
        "unit_price is not a number",
    ]
    assert as_events(events) is events


def test_statuses_are_all_named():
    columns = {**orders().columns, "status": "state"}
    with pytest.raises(ValueError, match="statuses should say"):
        orders(columns=columns)
    events = as_events(orders(columns=columns, statuses={"Paid": "purchase", "it's": "refund"}))
    assert "IN ('it\\'s')" in events.columns["event_type"]
    assert "NOT IN ('paid', 'it\\'s')" in events.rules[-1].when


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
