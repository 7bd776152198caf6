"""What sources make of nested records: types, paths, elements of lists, second inputs, times."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pandas as pd
import pytest
from pyspark.sql import functions as F

from sparkperso.config import load_named
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.sources.transactions import as_events
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.ingest.classify import IngestRules, classify_files, valid_events
from sparkperso.ingest.sources.files import list_files
from sparkperso.ingest.sources.joins import read_joins
from sparkperso.privacy import load_keys

NOW = datetime(2026, 7, 1, tzinfo=timezone.utc)
GA4 = {
    "name": "ga4",
    "consent": "assumed: contract",
    "historical": True,
    "time_unit": "microseconds",
    "fields": ["event_timestamp", "event_name", "user_pseudo_id"],
    "optional_fields": ["user_id", "device.category", "geo.country", "items", "event_params"],
    "types": {
        "items": "array<struct<item_id:string,item_name:string,price:double,quantity:bigint>>",
        "event_params": "array<struct<key:string,value:struct<string_value:string>>>",
    },
    "explode": {"of": "items", "name": "item"},
    "let": {"params": "map_from_entries(transform(event_params, p -> "
            "struct(p.key, p.value.string_value)))"},
    "columns": {
        "timestamp": "event_timestamp",
        "event_type": "event_name",
        "user_id": "user_id",
        "anonymous_id": "user_pseudo_id",
        "item_id": "item.item_id",
        "value": "item.price * item.quantity",
        "context.device_type": "device.category",
        "context.country": "geo.country",
        "metadata.title": "item.item_name",
        "metadata.order_id": "params['transaction_id']",
    },
}  # fmt: skip
BASKET = {
    "event_timestamp": "1782900000123456",
    "event_name": "purchase",
    "user_pseudo_id": "d1",
    "user_id": "u1",
    "device": {"category": "mobile", "os": {"name": "x"}},
    "geo": {"country": "France"},
    "event_params": [{"key": "transaction_id", "value": {"string_value": "T1"}}],
    "items": [
        {"item_id": "a", "item_name": "A", "price": 2.5, "quantity": 2},
        {"item_id": "b", "item_name": "B", "price": 1, "quantity": 1},
    ],
}
VIEW = {**BASKET, "event_name": "page_view", "items": [], "event_params": []}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def classify(spark, settings, folder):
    plan = load_named("tracking_plans", "default", TrackingPlan)

    def run(config):
        source = as_events(SourceConfig.model_validate(config))
        keys = lambda: load_keys(settings.privacy, "local", {})  # noqa: E731
        inputs = read_joins(spark, source, "")
        book = IngestRules(source, plan, settings.ingest, keys, inputs)
        return classify_files(spark, list_files(spark, str(folder)), book, NOW)

    return run


def write_lines(folder, *records):
    (folder / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))


def write_parquet(folder, *records):
    pd.DataFrame(records).to_parquet(folder / "a.parquet")


@pytest.mark.parametrize("write", [write_lines, write_parquet])
def test_a_basket_is_one_event_per_item_and_a_view_is_one(classify, folder, write):
    write(folder, BASKET, VIEW)
    rows = classify(GA4).orderBy("event_type", "item_id").collect()
    [view, *items] = rows
    assert [row["position"] for row in rows] == [None, 0, 1]
    assert [(row["item_id"], row["value"]) for row in items] == [("a", 5.0), ("b", 1.0)]
    assert (view["event_type"], view["item_id"], view["reasons"]) == ("page_view", None, None)
    parent = items[0]["record_id"].partition("#")[0]
    assert [row["record_id"] for row in items] == [f"{parent}#0", f"{parent}#1"]
    assert "#" not in view["record_id"]
    assert [row["payload"] is None for row in rows] == [False, False, True]
    assert json.loads(items[0]["payload"])["items"][1]["item_id"] == "b"
    assert items[1]["metadata"] == {"title": "B", "order_id": "T1"}
    assert (view["context"]["device_type"], view["context"]["country"]) == ("mobile", "FR")
    assert view["timestamp"].microsecond == 123456


def test_an_id_of_the_record_becomes_one_of_each_element(classify, folder):
    write_lines(folder, BASKET, VIEW)
    shared = classify({**GA4, "columns": {**GA4["columns"], "event_id": "user_pseudo_id"}})
    ids = {row["event_id"] for row in valid_events(shared).collect()}
    assert ids == {"d1", "d1#0", "d1#1"}
    own = "concat(user_pseudo_id, item.item_id)"
    each = classify({**GA4, "columns": {**GA4["columns"], "event_id": own}})
    assert {"d1a", "d1b"} < {row["event_id"] for row in valid_events(each).collect()}


def test_a_text_that_is_not_of_its_type_rejects_its_record(classify, folder):
    write_lines(folder, BASKET, {**VIEW, "items": "two shoes"})
    [bad] = classify(GA4).where("is_rejected").collect()
    [reason] = bad["reasons"]
    assert reason["code"] == "wrong_type"
    assert "items cannot be read as array<struct<" in reason["message"]
    assert reason["message"].endswith("two shoes")
    assert bad["recoverable"]
    assert bad["payload"]


@pytest.mark.parametrize(
    ("unit", "number", "is_read"),
    [
        ("seconds", "12", True),
        ("milliseconds", "12000", True),
        ("microseconds", "12000000", True),
        ("nanoseconds", "12000000000", True),
        ("seconds", "9" * 30, False),
        (None, "12", False),
    ],
)
def test_numbers_are_times_in_the_unit_that_the_source_names(
    classify, folder, unit, number, is_read
):
    for name, value in (("text", number), ("number", int(number))):
        line = {**VIEW, "event_timestamp": value}
        (folder / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    seconds = F.unix_micros("timestamp") / 1_000_000
    rows = classify({**GA4, "time_unit": unit}).select(seconds.alias("at")).collect()
    assert [row["at"] for row in rows] == [12.0 if is_read else None] * 2


def orders(folder, **changes):
    return {
        "name": "orders",
        "kind": "transactions",
        "consent": "assumed: contract",
        "historical": True,
        "fields": ["id", "customer", "created_at", "sku", "qty"],
        "optional_fields": ["status", "dt"],
        "joins": {
            "goods": {
                "path": str(folder / "goods.csv"),
                "fields": ["SKU", "Name"],
                "optional_fields": ["Price"],
                "types": {"Price": "double"},
                "by": {"upper(sku)": "SKU"},
            }
        },
        "statuses": {"paid": "purchase", "Refunded": "refund"},
        "columns": {
            "order_id": "id",
            "user_id": "customer",
            "timestamp": "created_at",
            "item_id": "sku",
            "quantity": "qty",
            "unit_price": "goods.Price",
            "title": "goods.Name",
            "status": "status",
        },
        **changes,
    }


ORDER_LINES = """id,customer,created_at,sku,qty,status
1,c,2026-01-01T10:00:00Z,a1,2,PAID
2,c,2026-01-02T10:00:00Z,a1,1,refunded
3,c,2026-01-03T10:00:00Z,b1,1,paid
4,c,2026-01-04T10:00:00Z,a1,-3,
5,c,2026-01-05T10:00:00Z,a1,1,cancelled
6,c,2026-01-06T10:00:00Z,a1,two,paid
"""


def test_lines_of_orders_find_their_price_in_the_second_input(classify, folder, tmp_path):
    (folder / "orders.csv").write_text(ORDER_LINES)
    (tmp_path / "goods.csv").write_text("SKU,Name,Price\nA1,Mug,2.5\nZ9,Cup,1\n,Nothing,1\n")
    rows = classify(orders(tmp_path)).orderBy("timestamp").collect()
    found = [(row["event_type"], row["value"], row["metadata"]) for row in rows[:4]]
    mug = {"unit_price": "2.5", "title": "Mug"}
    assert found == [
        ("purchase", 5.0, {"order_id": "1", "quantity": "2", **mug}),
        ("refund", 2.5, {"order_id": "2", "quantity": "1", **mug}),
        ("purchase", None, {"order_id": "3", "quantity": "1"}),
        ("refund", 7.5, {"order_id": "4", "quantity": "3", **mug}),
    ]
    said = [[reason["message"] for reason in row["reasons"] or ()] for row in rows]
    assert [len(one) > 0 for one in said] == [False, False, True, False, True, True]
    assert said[4] == ["status is none of statuses: cancelled"]
    assert said[5][0] == "quantity is not a number: two"


@pytest.mark.parametrize(
    ("goods", "says"),
    [
        ("SKU,Name\nA1,Mug\nA1,Cup\n", "'A1' stands there 2 times"),
        ("SKU,Name,Price\nA1,Mug,cheap\n", "Price cannot be read as double"),
        ("SKU,Title\nA1,Mug\n", "has no 'Name'"),
    ],
)
def test_a_second_input_that_would_mislead_stops_the_run(classify, folder, tmp_path, goods, says):
    (folder / "orders.csv").write_text(ORDER_LINES)
    (tmp_path / "goods.csv").write_text(goods)
    with pytest.raises(JobError, match=says):
        classify(orders(tmp_path))


def test_a_column_of_folders_may_be_a_partition(classify, tmp_path, folder):
    part = folder / "dt=2026-01-09" / "shop=a"
    part.mkdir(parents=True)
    (part / "orders.csv").write_text("id,customer,created_at,sku,qty\n1,c,10:30,a1,2\n")
    (tmp_path / "goods.csv").write_text("SKU,Name,Price\nA1,Mug,2.5\n")
    columns = {**orders(tmp_path)["columns"], "timestamp": "concat(dt, 'T', created_at)"}
    columns.pop("status")
    [row] = classify(orders(tmp_path, columns=columns, statuses={})).collect()
    assert (row["timestamp"].isoformat(), row["value"]) == ("2026-01-09T10:30:00", 5.0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"types": {"items": "array<strukt<a:int>>"}}, "types.items"),
        ({"types": {}}, "'explode.of'.*should be an array.*is string"),
        ({"explode": {"of": "itmes", "name": "item"}}, "explode.of.*itmes"),
    ],
)
def test_what_spark_cannot_make_sense_of_is_named(classify, folder, changes, says):
    write_lines(folder, BASKET)
    with pytest.raises(ConfigError, match=says):
        classify({**GA4, "let": {}, "columns": {"timestamp": "event_timestamp"}, **changes})
