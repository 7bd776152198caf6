"""Lists that were shown, put beside judged ones by Spark: the sums that plain Python finds."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import fields
from datetime import datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from sparkperso.experiments.analysis.shown_lists import (
    ClickModel,
    decided_lists,
    is_drawn,
    judged_sums,
    read_sums,
    shown_lists,
)
from sparkperso.experiments.offpolicy.lists import ListSums
from sparkperso.testing.frames import events_frame, table_frame

CUT = datetime(2026, 3, 1)
END = CUT + timedelta(days=10)
K, GROUPS = 3, 10
ITEMS = [f"i{n}" for n in range(6)]


def decision(name, **given):
    row = {
        **{"decision_id": name, "kind": "new", "user_id": "u1", "timestamp": CUT},
        **{"received_at": END, "event_date": CUT.date(), "propensity": 0.5},
        **{"item_ids": ITEMS[:4], "ingest_batch": "b", "experiments": {"lists": "a"}},
    }
    row |= {"timestamp": CUT + timedelta(hours=1), **given}
    return row | {"event_date": row["timestamp"].date()}


def told(event_type, name, item_id=None, slot=None, **given):
    said = {"decision_id": name} | ({"slot": slot} if slot else {})
    return {
        **{"event_type": event_type, "user_id": "u1", "timestamp": CUT + timedelta(hours=2)},
        **{"metadata": said, "item_id": item_id, **given},
    }


@pytest.fixture
def shown(spark):
    def make(decisions, events, slots=(), rewards=("click",)):
        frame = table_frame(spark, "silver/decisions", decisions)
        decided = decided_lists(frame, slots, K, (CUT, END))
        return shown_lists(decided, events_frame(spark, events), rewards, GROUPS, (CUT, END))

    return make


def test_lists_of_users_after_the_cut_count_once_their_exposure_came(shown):
    nothing = {"item_ids": []}
    decisions = [
        decision("shown"),
        decision("not shown", user_id="u2"),
        decision("no experiment", user_id="u3", experiments=None, propensity=1.0),
        decision("before", user_id="u4", timestamp=CUT),
        decision("after", user_id="u5", timestamp=END + timedelta(hours=2), experiments={}),
        decision("seen after", user_id="u9"),
        decision("visitor", user_id=None, anonymous_id="a"),
        decision("empty", user_id="u6", **nothing),
        decision("similar", user_id="u7", kind="similar"),
        decision("page", user_id="u8", kind="slot", slot="home"),
        decision("page", user_id="u8", kind="slot", slot="basket"),
    ]
    seen = ("shown", "before", "after", "visitor", "empty", "similar", "page")
    events = [told("exposure", name) for name in seen]
    events.append(told("exposure", "seen after", timestamp=END + timedelta(hours=1)))
    rows = shown(decisions, events).collect()
    assert {row.user_id for row in rows} == {"u1", "u3"}
    assert all(row.item_ids == ITEMS[:K] for row in rows)
    assert [r.user_id for r in shown(decisions, events, slots=["home"]).collect()].count("u8") == 1


def test_places_have_their_own_propensities_or_that_of_the_choice(spark, shown):
    decisions = [
        decision("own", item_propensities=[0.5, 1.0, 0.25, 1.0]),
        decision("short", user_id="u2", item_propensities=[1.0]),
        decision("choice", user_id="u3"),
        decision("empty", user_id="u4", propensity=1.0, item_propensities=[]),
    ]
    events = [told("exposure", one["decision_id"]) for one in decisions]
    found = {
        row.user_id: (row.propensities, row.drawn)
        for row in shown(decisions, events).withColumn("drawn", is_drawn()).collect()
    }
    assert found == {
        "u1": ([0.5, 1.0, 0.25], True),
        "u2": ([1.0, 0.5, 0.5], True),
        "u3": ([0.5, 0.5, 0.5], True),
        "u4": ([1.0, 1.0, 1.0], False),
    }
    older = table_frame(spark, "silver/decisions", decisions).drop("item_propensities")
    rows = decided_lists(older, (), K, (CUT, END)).collect()
    assert {tuple(row.propensities) for row in rows} == {(0.5,) * 3, (1.0,) * 3}


def test_an_item_earns_by_events_that_name_its_decision_and_slot(shown):
    decisions = [
        decision("d", kind="slot", slot="home"),
        decision("d", kind="slot", slot="basket", user_id="u2"),
    ]
    events = [
        *(told("exposure", "d", slot=slot) for slot in ("home", "basket")),
        told("click", "d", "i0", "home"),
        told("click", "d", "i0", "home"),
        told("click", "other", "i1"),
        told("purchase", "d", "i2", "home"),
        told("click", "d", "i1", "home", timestamp=END + timedelta(hours=1)),
        told("click", "d", "i1"),
    ]
    slots = ["home", "basket"]
    found = {r.user_id: set(r.rewarded) for r in shown(decisions, events, slots).collect()}
    assert found == {"u1": {"i0", "i1"}, "u2": {"i1"}}
    bought = shown(decisions, events, slots, rewards=["purchase"]).collect()
    assert {r.user_id: set(r.rewarded) for r in bought} == {"u1": {"i2"}, "u2": set()}


def in_plain_python(rows, lists, groups):
    """Returns {(model, place, group): sums}, with the click model worked out by hand."""
    halves = {user: group % 2 for user, group in groups.items()}
    n, r = defaultdict(int), defaultdict(int)
    for row in rows:
        for place, item in enumerate(row.item_ids):
            n[halves[row.user_id], place, item] += 1
            r[halves[row.user_id], place, item] += item in row.rewarded

    def rate(half, place):
        shown, earned = (
            sum(v for (h, p, _), v in x.items() if (h, p) == (half, place)) for x in (n, r)
        )
        return earned / shown

    def expected(user, place, item):
        other = 1 - halves[user]
        own = [(p, v) for (h, p, i), v in n.items() if (h, i) == (other, item)]
        earned = sum(v for (h, _, i), v in r.items() if (h, i) == (other, item))
        chance = sum(v * rate(other, p) for p, v in own)
        return min(rate(other, place) * (earned + 1) / (chance + 1), 1)

    sums = defaultdict(lambda: np.zeros(8))
    for (model, user), judged in lists.items():
        for row in (row for row in rows if row.user_id == user):
            for place, item in enumerate(row.item_ids):
                wanted = judged[place] if place < len(judged) else None
                w = (wanted == item) / row.propensities[place]
                reward = float(item in row.rewarded)
                q = expected(user, place, wanted) if wanted else 0
                terms = (1, wanted == item, w, w * w, reward, w * reward, q, w * (reward - q))
                sums[model, place, groups[user]] += terms
    return sums


def test_sums_are_those_of_plain_python(spark, shown):
    chance = random.Random(3)
    users = [f"u{n}" for n in range(40)]
    decisions, events = [], []
    for number in range(120):
        name, user = f"d{number}", chance.choice(users)
        items = chance.sample(ITEMS, chance.choice([2, 3, 4]))
        share = chance.choice([0.25, 0.75])
        own = [chance.choice([share, 1.0]) for _ in items] if number % 2 else None
        given = {"propensity": share, "item_propensities": own}
        decisions.append(decision(name, user_id=user, item_ids=items, **given))
        events.append(told("exposure", name))
        events += [told("click", name, item) for item in items if chance.random() < 0.4]
    kept = shown(decisions, events).cache()
    lists = {
        (model, user): chance.sample(ITEMS, length)
        for model, length in (("long", 3), ("short", 1))
        for user in users[:35]
    }
    rows = [(model, user, items) for (model, user), items in lists.items()]
    judged = spark.createDataFrame(rows, "model string, user_id string, item_ids array<string>")
    expected = ClickModel.fitted(kept, K).expect(judged, GROUPS)
    table = judged_sums(kept, expected).toArrow()
    collected = kept.collect()
    by_hand = in_plain_python(collected, lists, {row.user_id: row.users for row in collected} | {
        row.user_id: row.g
        for row in judged.select("user_id", F.pmod(F.xxhash64("user_id"), F.lit(GROUPS)).alias("g"))
        .distinct()
        .collect()
    })  # fmt: skip
    found = read_sums(table, GROUPS, K)
    assert set(found) == {"long", "short"}
    n_found = 0
    for model, sums in found.items():
        for place in range(K):
            for group in range(GROUPS):
                own = [getattr(sums, f.name)[group, place] for f in fields(ListSums)]
                assert own == pytest.approx(by_hand[model, place, group].tolist(), abs=1e-8)
                n_found += own[0]
    assert n_found == table.column("n").to_numpy().sum() > 300
    kept.unpersist()
