"""Items from events: the latest facts win, whatever the order of batches."""

from __future__ import annotations

from datetime import datetime

import pytest

from sparkperso.ingest.items import changed_items
from sparkperso.schemas import TABLES

SCHEMA = "item_id string, timestamp timestamp, metadata map<string,string>"


def day(number):
    return datetime(2026, 1, number)


BATCHES = [
    [("i", day(3), {"title": "New", "unit_price": "2.5"}), (None, day(1), {"title": "none"})],
    [("i", day(1), {"title": "Old", "category": "toys"}), ("j", day(2), {"unit_price": "-1"})],
    [("i", day(2), {"title": "Middle", "unit_price": "9"}), ("i", day(4), {})],
]


def after(events, known):
    """Returns all items, as they are once the changes that events tell of are written."""
    changed = changed_items(events, known)
    if known is None:
        return changed
    return known.join(changed, "item_id", "left_anti").unionByName(changed)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_any_order_of_batches_gives_the_same_items(spark, order):
    known = None
    for number in order:
        known = after(spark.createDataFrame(BATCHES[number], SCHEMA), known)
    facts = known.select("item_id", "title", "category", "price", "first_seen_at").collect()
    assert sorted(map(tuple, facts)) == [
        ("i", "New", "toys", 2.5, day(1)),
        ("j", None, None, None, day(2)),
    ]


def test_the_result_has_the_tables_columns(spark, catalogue):
    events = spark.createDataFrame(BATCHES[0], SCHEMA)
    for known in (None, catalogue):
        items = changed_items(events, known)
        assert set(items.columns) == set(TABLES["silver/items"].column_names)


def test_a_table_without_a_row_is_as_none(spark):
    events = spark.createDataFrame(BATCHES[0], SCHEMA)
    empty = spark.createDataFrame([], TABLES["silver/items"].struct())
    assert changed_items(events, empty).collect() == changed_items(events, None).collect() != []


FACTS = ("Loaded", None, ["new"], 3.0, {"in_stock": "3"})
LOADED = ("i", *FACTS, day(1), (None, None, None), day(1))


@pytest.fixture
def catalogue(spark):
    """Items that somebody loaded: facts without a time, tags and attributes."""
    rows = [LOADED, ("k", *LOADED[1:])]
    return spark.createDataFrame(rows, TABLES["silver/items"].struct())


def test_events_tell_what_the_catalogue_does_not_and_nothing_else(spark, catalogue):
    said = {"title": "Seen", "category": "books", "unit_price": "4"}
    events = spark.createDataFrame([("i", day(2), said)], SCHEMA)
    rows = {row.item_id: row for row in after(events, catalogue).collect()}
    i, k = rows["i"], rows["k"]
    assert (i.title, i.category, i.price, i.first_seen_at) == ("Loaded", "books", 3.0, day(1))
    assert (i.seen_at.title, i.seen_at.category, i.updated_at) == (None, day(2), day(1))
    for row in (i, k):
        assert (row.tags, row.attributes) == (["new"], {"in_stock": "3"})
    assert (k.title, k.seen_at.title) == ("Loaded", None)
    assert [row.item_id for row in changed_items(events, catalogue).collect()] == ["i"]


def test_events_that_tell_nothing_new_change_no_item(spark, catalogue):
    nothing = spark.createDataFrame([("i", day(2), {}), (None, day(3), {})], SCHEMA)
    assert changed_items(nothing, catalogue).isEmpty()
