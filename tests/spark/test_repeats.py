"""Buying again: rates by their definition, on a made shop; then examples."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from sparkperso.config.recommend.lists import RepeatsConfig
from sparkperso.recommend.lists.repeats import OwnItems, mixed_lists, repeat_rates, repeat_share
from sparkperso.testing.models import random_users

START = datetime(2026, 1, 1)
AS_OF = START + timedelta(days=100)
CONFIG = RepeatsConfig(category_orders=5, item_orders=3, pair_orders=2, half_life_days=50)
EVENT = (
    "user_id string, item_id string, event_type string, timestamp timestamp, session_id string, "
    "metadata map<string,string>"
)


def made_events(seed=3, n_orders=120):
    """Orders of some users, of one to four of twelve items; now and then one goes back."""
    rng = np.random.default_rng(seed)
    events = []
    for number in range(n_orders):
        user, at = f"u{rng.integers(9)}", START + timedelta(hours=20 * number)
        metadata = {"order_id": f"o{number}"} if number % 3 else {}
        for item in rng.integers(0, 12, rng.integers(1, 5)):
            row = (user, f"i{item}", "purchase", at, f"s{number}", metadata)
            events += [row] * int(rng.integers(1, 3))
            if rng.random() < 0.1:
                events.append((user, f"i{item}", "refund", at + timedelta(hours=1), None, metadata))
    return [
        *events,
        ("u1", "i1", "item_view", START, "s", {}),
        (None, "i1", "purchase", START, "s", {}),
    ]


def by_definition(events, categories, config):
    orders, first, refunds = defaultdict(set), {}, defaultdict(int)
    last = {}
    for user, item, kind, at, session, metadata in events:
        if user is None or kind not in ("purchase", "refund"):
            continue
        order = metadata.get("order_id") or session or f"{at:%Y-%m-%d} 00:00:00"
        if kind == "refund":
            refunds[user, item] += 1
            continue
        orders[user, item].add(order)
        first[user, order] = min(at, first.get((user, order), at))
        last[user, item] = max(at, last.get((user, item), at))
    order_of = {
        user: sorted((at, order) for (one, order), at in first.items() if one == user)
        for user, _ in first
    }
    pairs = {}
    for (user, item), own in orders.items():
        n = len(own) - refunds[user, item]
        places = [place for place, (_, order) in enumerate(order_of[user]) if order in own]
        if n > 0:
            pairs[user, item] = (n - 1, len(order_of[user]) - 1 - places[0])

    def rate(above, own, weight):
        repeats, chances = (sum(part) for part in zip(*own, strict=True))
        return (repeats + weight * above) / (chances + weight)

    shop = sum(r for r, _ in pairs.values()) / sum(c for _, c in pairs.values())
    found = {}
    for (user, item), own in pairs.items():
        same = [p for (_, i), p in pairs.items() if categories.get(i) == categories.get(item)]
        category = rate(shop, same, config.category_orders)
        of_item = rate(
            category, [p for (_, i), p in pairs.items() if i == item], config.item_orders
        )
        age = (AS_OF - last[user, item]) / timedelta(days=1)
        expected = rate(of_item, [own], config.pair_orders) * 0.5 ** (age / config.half_life_days)
        found[user, item] = (expected, *own)
    return found


@pytest.fixture(scope="module")
def categories():
    return {f"i{n}": f"c{n % 3}" for n in range(9)} | {"i9": None}


@pytest.fixture(scope="module")
def items(spark, categories):
    return spark.createDataFrame(list(categories.items()), "item_id string, category string")


def rates_of(spark, items, events, config=CONFIG):
    return repeat_rates(spark.createDataFrame(events, EVENT), items, config, AS_OF)


def test_rates_are_those_of_the_definition(spark, items, categories):
    events = made_events()
    rows = rates_of(spark, items, events).collect()
    found = {(r.user_id, r.item_id): (r.strength, r.repeats, r.chances) for r in rows}
    expected = by_definition(events, categories, CONFIG)
    assert found.keys() == expected.keys()
    for pair, values in expected.items():
        assert found[pair] == pytest.approx(values, abs=1e-8), pair


def test_rates_depend_on_no_partition_and_on_nothing_later(spark, items):
    events = made_events()
    later = [("u1", "i1", "purchase", AS_OF + timedelta(days=1), "late", {})]
    rows = [
        sorted(map(tuple, repeat_rates(frame, items, CONFIG, AS_OF).collect()))
        for frame in (
            spark.createDataFrame(events, EVENT),
            spark.createDataFrame([*events, *later], EVENT).repartition(7).orderBy(F.rand(1)),
        )
    ]
    assert rows[0] == rows[1]


def test_what_went_back_is_not_bought_again(spark, items):
    events = [
        ("u", "kept", "purchase", START, "a", {}),
        ("u", "back", "purchase", START, "a", {}),
        ("u", "back", "refund", START + timedelta(days=1), "b", {}),
    ]
    assert [r.item_id for r in rates_of(spark, items, events).collect()] == ["kept"]


def test_a_shop_of_first_orders_has_no_rate_yet(spark, items):
    events = [(f"u{n}", "i1", "purchase", START, f"s{n}", {}) for n in range(3)]
    rates = rates_of(spark, items, events)
    assert {r.strength for r in rates.collect()} == {0.0}
    assert repeat_share(rates) == 0
    assert repeat_share(rates.limit(0)) == 0


def test_the_share_is_of_what_is_bought_after_a_first_order(spark, items):
    orders = ["ab", "a", "ac"]
    events = [
        ("u", item, "purchase", START + timedelta(days=n), f"s{n}", {})
        for n, order in enumerate(orders)
        for item in order
    ]
    # After the first order: a, a and c, of which a was bought before twice.
    assert repeat_share(rates_of(spark, items, events)) == pytest.approx(2 / 3)


def test_own_items_are_scored_by_their_pairs_alone():
    users = random_users()
    scores = OwnItems().scores(users)
    expected = users.strengths.toarray()
    assert (scores == np.where(expected > 0, expected, -np.inf)).all()
    explain = OwnItems().explainer(users)
    liked = users.liked(0)
    assert explain(0, liked).base == pytest.approx(expected[0, liked])


def lists(spark, **by_user):
    rows = [(u, n, i) for u, own in by_user.items() for n, i in enumerate(own, start=1)]
    return spark.createDataFrame(rows, "user_id string, rank int, item_id string")


def test_mixed_lists_hold_the_share_at_every_length(spark):
    new = lists(spark, u="abcdefgh", v="ab", w="abcd")
    again = lists(spark, u="12345678", v="1234")
    rows = mixed_lists(new, again, 0.25, 6).orderBy("user_id", "rank").collect()
    found = defaultdict(str)
    for row in rows:
        found[row.user_id] += row.item_id
        assert row["rank"] == len(found[row.user_id])
    assert found == {"u": "ab1cde", "v": "ab1234", "w": "abcd"}
    # Whatever the share, nobody's list is empty.
    assert mixed_lists(new, again, 1.0, 6).select("user_id").distinct().count() == 3
    for share, expected in ((0.0, "abcdef"), (1.0, "123456")):
        rows = mixed_lists(new, again, share, 6).where("user_id = 'u'").orderBy("rank").collect()
        assert "".join(row.item_id for row in rows) == expected
