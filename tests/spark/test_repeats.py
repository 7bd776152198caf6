"""Buying again: rates by their definition, on a made shop; then examples."""

from __future__ import annotations

from collections import defaultdict
from contextlib import nullcontext
from datetime import datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from sparkperso.config.recommend.lists import RepeatsConfig, RepeatsParams
from sparkperso.config.recommend.section import RecommendConfig
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.recommend.data.folds import make_cuts
from sparkperso.recommend.lists.repeats import OwnItems, mixed_lists, repeat_rates, repeat_shares
from sparkperso.recommend.repeat_tuning import tune_repeats
from sparkperso.testing.models import random_users

START = datetime(2026, 1, 1)
AS_OF = START + timedelta(days=100)
PARAMS = RepeatsParams(category_orders=5, item_orders=3, pair_orders=2, demand=0.7, end=0.4)
HALF_LIFE = 50.0
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


def counts_by_definition(events):
    """Returns (user, item) → repeats, chances, since, sales."""
    bought, first, refunds = defaultdict(dict), {}, defaultdict(int)
    for user, item, kind, at, session, metadata in events:
        if user is None or kind not in ("purchase", "refund"):
            continue
        order = metadata.get("order_id") or session or f"{at:%Y-%m-%d} 00:00:00"
        if kind == "refund":
            refunds[user, item] += 1
            continue
        own = bought[user, item]
        own[order] = max(at, own.get(order, at))
        first[user, order] = min(at, first.get((user, order), at))
    order_of = {
        user: sorted((at, order) for (one, order), at in first.items() if one == user)
        for user, _ in first
    }
    pairs = {}
    for (user, item), own in bought.items():
        places = [place for place, (_, order) in enumerate(order_of[user]) if order in own]
        last = len(order_of[user]) - 1
        sales = sum(0.5 ** ((AS_OF - at) / timedelta(days=HALF_LIFE)) for at in own.values())
        pairs[user, item] = (
            len(own) - refunds[user, item] - 1,
            last - places[0],
            last - places[-1],
            sales,
        )
    return {pair: counts for pair, counts in pairs.items() if counts[0] >= 0}


def by_definition(events, categories, params):
    pairs = counts_by_definition(events)
    sales = defaultdict(float)
    for (_, item), (*_, own) in pairs.items():
        sales[item] += own

    def rate(above, own, weight):
        repeats, chances, *_ = (sum(part) for part in zip(*own, strict=True))
        return (repeats + weight * above) / (chances + weight)

    shop = sum(r for r, *_ in pairs.values()) / sum(c for _, c, *_ in pairs.values())
    found = {}
    for (user, item), (x, t, since, _) in pairs.items():
        same = {
            pair: p for pair, p in pairs.items() if categories.get(pair[1]) == categories.get(item)
        }
        category = rate(shop, same.values(), params.category_orders)
        others = {i for _, i in same}
        demand = sales[item] / (sum(sales[i] for i in others) / len(others))
        own = [p for (_, i), p in pairs.items() if i == item]
        of_item = rate(category * demand**params.demand, own, params.item_orders)
        a = params.pair_orders
        expected = (x + a * of_item) / (t + a)
        if params.end is not None:
            odds = ((a + t) / (a + t - since)) ** (a * of_item + x)
            expected /= 1 + params.end / (1 + x) * odds
        found[user, item] = (expected, x, t)
    return found


@pytest.fixture(scope="module")
def categories():
    return {f"i{n}": f"c{n % 3}" for n in range(9)} | {"i9": None}


@pytest.fixture(scope="module")
def items(spark, categories):
    return spark.createDataFrame(list(categories.items()), "item_id string, category string")


def rates_of(spark, items, events, params=PARAMS):
    return repeat_rates(spark.createDataFrame(events, EVENT), items, params, HALF_LIFE, AS_OF)


@pytest.mark.parametrize("params", [PARAMS, PARAMS.model_copy(update={"end": None, "demand": 0.0})])
def test_rates_are_those_of_the_definition(spark, items, categories, params):
    events = made_events()
    rows = rates_of(spark, items, events, params).collect()
    found = {(r.user_id, r.item_id): (r.strength, r.repeats, r.chances) for r in rows}
    expected = by_definition(events, categories, params)
    assert found.keys() == expected.keys()
    for pair, values in expected.items():
        assert found[pair] == pytest.approx(values, abs=1e-8), pair


def test_rates_depend_on_no_partition_and_on_nothing_later(spark, items):
    events = made_events()
    later = [("u1", "i1", "purchase", AS_OF + timedelta(days=1), "late", {})]
    rows = [
        sorted(map(tuple, repeat_rates(frame, items, PARAMS, HALF_LIFE, AS_OF).collect()))
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
    assert {r.share for r in repeat_shares(rates, 10).collect()} == {0.0}
    assert repeat_shares(rates.limit(0), 10).isEmpty()


def basket_events(orders, user="u"):
    """Orders of one user, a day apart; an order is a text, each letter an item."""
    return [
        (user, item, "purchase", START + timedelta(days=n), f"s{n}", {})
        for n, order in enumerate(orders)
        for item in order
    ]


def test_the_share_is_of_what_is_bought_after_a_first_order(spark, items):
    # After the first order of u: a, a and c, of which a was bought before twice; v always comes
    # back, so that 5 of 6 are repeats of the shop's.
    events = [*basket_events(["ab", "a", "ac"]), *basket_events(["d", "d", "d", "d"], "v")]
    rates = rates_of(spark, items, events)
    shares = {r.user_id: r.share for r in repeat_shares(rates, 3).collect()}
    shop = 5 / 6
    expected = {"u": (2 + 3 * shop) / 6, "v": (3 + 3 * shop) / 6}
    assert shares == pytest.approx(expected, abs=1e-8)


def test_who_is_overdue_by_their_own_rhythm_is_expected_less(spark, items):
    """Of two items bought as often, that counts less whose rhythm has broken off for longer."""
    events = basket_events(["xy", "x", "y", "x", "y", "x", "y", "z", "z", "z", "zy"])
    gone = RepeatsParams(pair_orders=2, item_orders=1e9, demand=0, end=1)
    rates = {r.item_id: r for r in rates_of(spark, items, events, gone).collect()}
    assert (rates["x"].repeats, rates["x"].since) == (3, 5)
    assert rates["y"].since == 0
    for_ever = gone.model_copy(update={"end": None})
    plain = {r.item_id: r.strength for r in rates_of(spark, items, events, for_ever).collect()}
    kept = {item: rates[item].strength / plain[item] for item in "xy"}
    assert kept["x"] < 0.5 < kept["y"]


def odd_shops():
    first = [(f"u{n}", f"i{n}", "purchase", START, f"s{n}", {}) for n in range(4)]
    one_item = [e for n in range(4) for e in basket_events(["i"] * 6, f"u{n}")]
    bag = [e for n in range(4) for e in basket_events(["ia", "ib", "ia", "ic"], f"u{n}")]
    back = [(*e[:2], kind, *e[3:]) for e in first for kind in ("purchase", "refund")]
    return {"first orders": first, "one item": one_item, "in every basket": bag, "refunded": back}


@pytest.mark.parametrize("name", odd_shops())
def test_odd_shops_have_finite_rates(spark, items, name):
    events = odd_shops()[name]
    rates = rates_of(spark, items, events).collect()
    assert all(0 <= r.strength < 1 for r in rates)
    assert bool(rates) == (name != "refunded")


NOBODY = "user_id string, rank int, item_id string"
SPACE = ({"pair_orders": [1, 1000], "end": [None, 0.3]},)


def regulars(n_users=30, n_orders=20):
    """Users who buy one of their items every time, and the others now and then."""
    rng = np.random.default_rng(1)
    return [
        (f"u{u}", item, "purchase", START + timedelta(days=4 * n, minutes=u), f"{u}-{n}", {})
        for u in range(n_users)
        for n in range(n_orders)
        for item in {f"own{u % 7}", *(f"i{i}" for i in rng.integers(0, 40, 3))}
    ]


class RunLog(NullRecorder):
    """Keeps what is told it, and child runs."""

    def __init__(self):
        self.params, self.metrics, self.children = {}, {}, []

    def log_params(self, params):
        self.params |= params

    def log_metrics(self, metrics, step=0):
        self.metrics |= metrics

    def child(self, name, span=None):
        self.children.append(RunLog())
        return nullcontext(self.children[-1])


def tuned(frames, events, repeats, recorder=None, said=None):
    config = RecommendConfig.model_validate(
        {"search": {"k": 3}, "lists": {"kinds": ["new", "again"], "repeats": repeats}}
    )
    spark, items = frames
    frame = spark.createDataFrame(events, EVENT).withColumn("value", F.lit(None).cast("double"))
    cuts = make_cuts(frame, config.interactions, config.split, AS_OF)
    new = spark.createDataFrame([(f"u{n}", 1, "i1") for n in range(30)], NOBODY)
    say = (said if said is not None else []).append
    return tune_repeats(cuts, items, new, config, (recorder or RunLog(), say)), cuts


def test_settings_are_those_that_list_best_what_is_bought_again(spark, items):
    recorder = RunLog()
    found, cuts = tuned((spark, items), regulars(), {"space": SPACE}, recorder)
    metric = "ndcg_again_at_3"
    assert [len(trial.folds) for trial in found.trials] == [2] * 4
    assert found.chosen.mean[metric] == max(trial.mean[metric] for trial in found.trials)
    # Everybody's own item alone is bought for certain: it stands first.
    assert found.test.metrics["again"]["hit_rate_at_3"] == 1
    assert found.test.n_judged == 30
    assert set(found.test.of_all) == {"new", "again", "mixed"}
    assert [run.params["strategy"] for run in recorder.children] == ["again"] * 4
    assert all(metric in run.metrics for run in recorder.children)
    assert found.as_dict()["params"] == found.chosen.params.model_dump()
    # By hand: what the chosen list of the first fold holds of what was bought again after it.
    cut, end = cuts.spans[0]
    events = spark.createDataFrame(regulars(), EVENT)
    rates = repeat_rates(events, items, found.chosen.params, 60.0, cut).toPandas()
    order = ["user_id", "strength", "last_at", "item_id"]
    lists = rates.sort_values(order, ascending=[True, False, False, True])
    lists = lists.groupby("user_id").item_id.apply(list)
    later = events.where(f"timestamp > '{cut}' AND timestamp <= '{end}'").toPandas()
    recalls = []
    for user, own in lists.items():
        again = set(later[later.user_id == user].item_id) & set(own)
        if again:
            recalls.append(len(again & set(own[:3])) / len(again))
    assert found.chosen.folds[0]["recall_again_at_3"] == pytest.approx(np.mean(recalls), abs=1e-6)


def test_settings_of_ones_own_are_tested_and_no_others(spark, items):
    own = {"params": {"pair_orders": 7}, "space": SPACE}
    found, _ = tuned((spark, items), regulars(), own)
    assert [trial.params for trial in found.trials] == [RepeatsParams(pair_orders=7)]


def test_where_nobody_comes_back_nothing_is_chosen_and_that_is_said(spark, items):
    events = [(f"u{n}", "i1", "purchase", START + timedelta(days=n), f"s{n}", {}) for n in range(9)]
    said = []
    found, _ = tuned((spark, items), events, {"space": SPACE}, said=said)
    assert found.chosen.params == RepeatsParams()
    assert found.test is None
    assert "Nobody" in said[0]
    assert found.metrics() == {}


@pytest.mark.parametrize("space", [[], [{"pair_orders": []}], [{"pairs": 3}], [{"end": [0]}]])
def test_a_space_that_cannot_be_read_is_refused(space):
    with pytest.raises(ValueError, match="space"):
        RepeatsConfig.model_validate({"space": space})


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
    shares = shares_of(spark, u=0.25, v=0.25, w=0.25)
    rows = mixed_lists(new, again, shares, 6).orderBy("user_id", "rank").collect()
    found = defaultdict(str)
    for row in rows:
        found[row.user_id] += row.item_id
        assert row["rank"] == len(found[row.user_id])
    assert found == {"u": "ab1cde", "v": "ab1234", "w": "abcd"}
    # Whatever the share, nobody's list is empty.
    ones = shares_of(spark, u=1.0, v=1.0, w=1.0)
    assert mixed_lists(new, again, ones, 6).select("user_id").distinct().count() == 3
    for share, expected in ((0.0, "abcdef"), (1.0, "123456")):
        own = mixed_lists(new, again, shares_of(spark, u=share), 6)
        rows = own.where("user_id = 'u'").orderBy("rank").collect()
        assert "".join(row.item_id for row in rows) == expected


def test_everybody_has_a_share_of_their_own_and_others_none(spark):
    new, again = lists(spark, u="abc", v="abc", w="abc"), lists(spark, u="123", v="123", w="123")
    rows = mixed_lists(new, again, shares_of(spark, u=0.0, v=1.0), 3).orderBy("user_id", "rank")
    found = defaultdict(str)
    for row in rows.collect():
        found[row.user_id] += row.item_id
    assert found == {"u": "abc", "v": "123", "w": "abc"}


def shares_of(spark, **shares):
    return spark.createDataFrame(list(shares.items()), "user_id string, share double")
