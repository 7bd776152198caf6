"""The examples of docs/sources.md, as whole runs into one lake: what each record becomes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import functions as F

from sparkperso.jobs import ingest_events
from sparkperso.pipeline.step import carry_out

pytestmark = pytest.mark.usefixtures("unrecorded")

ROOT = Path(__file__).parents[2]
CONF = ROOT / "docs" / "examples"
COUNTS = ("received", "valid", "quarantined", "duplicates", "refused")
EVENTS = {
    # One line is cancelled: no status that is known.
    "shop_orders": (6, 5, 1, 0, 0),
    "rees46": (5, 5, 0, 0, 0),
    # Seven records, one of three products; one has no consent, one is no type of the plan.
    "ga4": (9, 7, 1, 0, 1),
    "shopify": (5, 5, 0, 0, 0),
    "movielens_ratings": (4, 4, 0, 0, 0),
}


PLANS = {"shopify": "shopify"}
"""Its user_id is an address, which a plan of its own calls personal."""


def test_every_example_is_taken_in_with_the_counts_that_its_file_has(make_job, lake, monkeypatch):
    monkeypatch.chdir(ROOT)
    for name, expected in EVENTS.items():
        plan = [f"ingest.tracking_plan={PLANS.get(name, 'default')}"]
        job = make_job("ingest-events", plan, source=name, path=None)
        job.conf_dir = CONF
        summary = carry_out(ingest_events.STEP, job).summary
        assert tuple(summary[count] for count in COUNTS) == expected, name
    events = lake.ref("silver/events").read()
    rows = events.select(
        "source", "user_id", "event_type", "item_id", "value", "context", "metadata", "timestamp"
    ).collect()
    of = {name: [row for row in rows if row.source == name] for name in EVENTS}

    shop = {(row.metadata["order_id"], row.item_id): row for row in of["shop_orders"]}
    tea, pot = shop["B1", "TEE-1"], shop["B3", "KANNE-3"]
    assert (tea.event_type, tea.value, tea.context.country) == ("purchase", 9.0, "DE")
    assert (pot.event_type, pot.value) == ("refund", 24.0)
    assert shop["B4", "TASSE-2"].context.country is None  # no such customer

    basket = [row for row in of["ga4"] if row.event_type == "purchase"]
    assert sorted((row.item_id, row.value) for row in basket) == [
        ("MUG-02", 8.0),
        ("POT-03", 24.0),
        ("TEA-01", 9.0),
    ]
    assert {row.user_id for row in basket} == {"u7"}
    assert {row.metadata["order_id"] for row in basket} == {"T1001"}
    assert {row.context.device_type for row in basket} == {"mobile"}
    assert {row.context.page_url for row in basket} == {"https://shop.example/"}

    shopify = {(row.metadata["order_id"], row.item_id): row for row in of["shopify"]}
    # The second line of an order has the status and the country of its first.
    assert shopify["#1002", "TEA-01"].event_type == "refund"
    assert shopify["#1001", "MUG-02"].context.country == "DE"
    people = {order: row.user_id for (order, _), row in shopify.items()}
    assert people["#1001"] == people["#1003"] != people["#1002"]
    assert not any("@" in person for person in people.values())

    clicks = [row.event_type for row in sorted(of["rees46"], key=lambda row: row.timestamp)]
    kinds = ["item_view", "add_to_cart", "purchase", "item_view", "remove_from_cart"]
    assert clicks == kinds
    titles = {row.metadata.get("title") for row in of["rees46"]}
    assert titles == {"lumi smartphone 700101", "stitch sewing machine 700202", None}
    assert {row.timestamp.year for row in of["movielens_ratings"]} == {2000, 2015}
    stored = lake.ref("bronze/events").read().agg(F.max(F.contains("payload", F.lit("@")))).first()
    assert stored[0] is False
