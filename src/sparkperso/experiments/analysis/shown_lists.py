"""Lists that were shown, and how lists that were not would have done: the sums of `ListSums`.

1. Decisions of a time with the list that they showed (`decided_lists`).
2. What became of each: whether it was shown, and the items that earned something (`shown_lists`).
3. What an item earns at a place on average, by the lists of other users (`ClickModel`).
4. Judged lists beside those that the same user was shown: sums by model, place and group of users
   (`judged_sums`). They alone come to the driver, and are as many as there are models, places and
   groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import EVENT_TYPE, ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.experiments.offpolicy.lists import ListSums
from sparkperso.platform.literals import instant

EXPOSURE = "exposure"
MODEL, PLACE, GROUP, ITEMS, REWARDED = "model", "place", "users", "item_ids", "rewarded"
PROPENSITIES, EXPECTED = "propensities", "expected"
OWN_LISTS = "new"
"""The kind of lists that models are judged by."""
PRIOR = 1.0
"""Expected rewards that an item is believed to be like all others by (gamma-Poisson shrinkage)."""
DECIMALS = 9
"""Of sums: the order of adding does not show."""


def decided_lists(
    decisions: DataFrame, slots: Sequence[str], k: int, span: tuple[datetime, datetime]
) -> DataFrame:
    """Returns decision_id, slot, user_id, item_ids, propensities, is_counted: one row per list.

    Those of silver/decisions after the first time of `span` that name a user: lists of kind `new`,
    and those of `slots`; their first `k` items. `propensities` are by place, that of the choice
    where its items have none of their own. `is_counted`: whether an experiment counts the list; of
    others those after the second time are left out.
    """
    after, until = (instant(at) for at in span)
    in_slots = F.col("slot").isin(list(slots)) if slots else F.lit(False)
    is_own = (F.col("kind") == OWN_LISTS) | in_slots
    is_counted = F.coalesce(F.size("experiments"), F.lit(0)) > 0
    # Of a list that is counted its exposure says when it was shown, by the clock of events.
    inside = (F.col(TIMESTAMP) > after) & ((F.col(TIMESTAMP) <= until) | is_counted)
    named = F.col(USER_ID).isNotNull() & (F.size(ITEMS) > 0)
    nothing = F.lit(None).cast("array<double>")
    # A table that was last written by an older version has no such column yet.
    has_own = "item_propensities" in decisions.columns
    of_items = F.col("item_propensities") if has_own else nothing

    def at_place(_: Column, place: Column) -> Column:
        return F.coalesce(F.get(of_items, place), F.col("propensity"))

    items = F.slice(ITEMS, 1, k)
    return decisions.where(inside & is_own & named).select(
        *("decision_id", "slot", USER_ID, items.alias(ITEMS)),
        F.transform(items, at_place).alias(PROPENSITIES),
        is_counted.alias("is_counted"),
    )


def is_drawn() -> Column:
    """Returns whether any place of a list could have shown another item."""
    return F.exists(PROPENSITIES, lambda one: one < 1)


def shown_lists(
    decided: DataFrame,
    events: DataFrame,
    rewards: Sequence[str],
    n_groups: int,
    span: tuple[datetime, datetime],
) -> DataFrame:
    """Returns user_id, item_ids, propensities, rewarded, users: one row per list that was shown.

    `rewarded` are the items that an event of the types `rewards` names together with the decision,
    and its slot where both have one. A list that an experiment counts was shown if an exposure says
    so, as in the experiment's analysis; any other as it was decided. `users` is the number of the
    user's group, from 0.
    """
    after, until = (instant(at) for at in span)
    said = F.col("metadata")
    is_of_list = F.col(EVENT_TYPE).isin(EXPOSURE, *rewards) & said["decision_id"].isNotNull()
    inside = (F.col(TIMESTAMP) > after) & (F.col(TIMESTAMP) <= until)
    one = F.struct(said["slot"].alias("slot"), F.col(EVENT_TYPE).alias("type"), F.col(ITEM_ID))
    outcomes = (
        events.where(is_of_list & inside)
        .groupBy(said["decision_id"].alias("decision_id"))
        .agg(F.collect_set(one).alias("outcomes"))
    )

    def is_of_slot(event: Column) -> Column:
        either_lacks = F.col("slot").isNull() | event["slot"].isNull()
        return either_lacks | (event["slot"] == F.col("slot"))

    fitting = F.filter(F.coalesce("outcomes", F.array().cast(_OUTCOMES)), is_of_slot)
    joined = decided.join(outcomes, "decision_id", how="left").withColumn("outcomes", fitting)
    is_shown = F.exists("outcomes", lambda event: event["type"] == EXPOSURE)
    earning = F.filter("outcomes", lambda event: event["type"].isin(list(rewards)))
    return joined.where(~F.col("is_counted") | is_shown).select(
        *(USER_ID, ITEMS, PROPENSITIES),
        F.transform(earning, lambda event: event[ITEM_ID]).alias(REWARDED),
        _group(n_groups),
    )


@dataclass(frozen=True)
class ClickModel:
    """What an item earns at a place: the place's rate × how much more the item earns than others.

    Fitted on each half of the users' groups apart, so that it expects of a user what others did
    (cross-fitting: Chernozhukov et al. 2018).
    """

    rates: tuple[tuple[float, ...], tuple[float, ...]]
    """Of each half, the mean reward at each place."""
    lifts: DataFrame
    """half, item_id, lift: an item that a half was never shown is as good as others (1)."""

    @classmethod
    def fitted(cls, shown: DataFrame, k: int) -> ClickModel:
        """Returns the model of `shown_lists`, with `k` places; 2 × k sums come to the driver."""
        is_rewarded = F.array_contains(REWARDED, F.col(ITEM_ID)).cast("double").alias("reward")
        places = shown.select(REWARDED, _half(), F.posexplode(ITEMS).alias(PLACE, ITEM_ID))
        places = places.select(
            "half", PLACE, ITEM_ID, F.coalesce(is_rewarded, F.lit(0.0)).alias("r")
        )
        by_item = places.groupBy("half", PLACE, ITEM_ID).agg(
            F.count(F.lit(1)).alias("n"), F.sum("r").alias("r")
        )
        sums = np.zeros((2, 2, k))
        for half, place, n, r in (
            by_item.groupBy("half", PLACE).agg(F.sum("n"), F.sum("r")).collect()
        ):
            sums[:, half, place] = n, r
        both = sums.sum(axis=1)
        everybody = both[1] / np.maximum(both[0], 1)
        n, r = sums
        rates = np.where(n > 0, r / np.maximum(n, 1), everybody)
        own = tuple(tuple(row.tolist()) for row in rates)
        expected = F.sum(F.col("n") * _rate((own[0], own[1]), F.col("half"), F.col(PLACE)))
        lift = (F.sum("r") + PRIOR) / (expected + PRIOR)
        return cls((own[0], own[1]), by_item.groupBy("half", ITEM_ID).agg(lift.alias("lift")))

    def expect(self, lists: DataFrame, n_groups: int) -> DataFrame:
        """Returns model, user_id, item_ids, expected: what each place of judged lists would earn.

        `lists` has model, user_id, item_ids; `expected` is an array beside the items, 0 to 1.
        """
        # Of the other half than the user's.
        other = (1 - _half()).alias("half")
        places = lists.select(MODEL, USER_ID, ITEMS, _group(n_groups)).select(
            MODEL, USER_ID, other, F.posexplode(ITEMS).alias(PLACE, ITEM_ID)
        )
        rate = _rate(self.rates, F.col("half"), F.col(PLACE))
        expected = F.least(rate * F.coalesce("lift", F.lit(1.0)), F.lit(1.0)).alias(EXPECTED)
        one = F.struct(PLACE, ITEM_ID, expected)
        listed = places.join(self.lifts, ["half", ITEM_ID], how="left").groupBy(MODEL, USER_ID)
        ordered = listed.agg(F.array_sort(F.collect_list(one)).alias("places"))
        return ordered.select(
            *(MODEL, USER_ID),
            F.transform("places", lambda p: p[ITEM_ID]).alias("judged"),
            F.transform("places", lambda p: p[EXPECTED]).alias(EXPECTED),
        )


def judged_sums(shown: DataFrame, expected: DataFrame) -> DataFrame:
    """Returns model, place (from 0), users (the group), and the sums of `ListSums`.

    `shown` is `shown_lists`, `expected` what `ClickModel.expect` returns. One row per model, place
    and group with a list of a user whom the model has a list for.
    """
    both = shown.join(expected, USER_ID).select(
        *(MODEL, GROUP, PROPENSITIES, REWARDED, "judged", EXPECTED),
        F.posexplode(ITEMS).alias(PLACE, ITEM_ID),
    )
    # Null where the judged list is shorter.
    judged, predicted = F.get("judged", F.col(PLACE)), F.get(EXPECTED, F.col(PLACE))
    is_match = (judged == F.col(ITEM_ID)).cast("double")
    rows = both.select(
        *(MODEL, PLACE, GROUP),
        F.get(PROPENSITIES, F.col(PLACE)).alias("p"),
        F.coalesce(is_match, F.lit(0.0)).alias("match"),
        F.coalesce(F.array_contains(REWARDED, F.col(ITEM_ID)), F.lit(False))
        .cast("double")
        .alias("r"),
        F.coalesce(predicted, F.lit(0.0)).alias("q"),
    )
    weight, reward, predicted = F.col("match") / F.col("p"), F.col("r"), F.col("q")
    sums = {
        "n": F.lit(1.0),
        "matches": F.col("match"),
        "weights": weight,
        "squares": weight * weight,
        "rewards": reward,
        "weighted": weight * reward,
        "predicted": predicted,
        "residuals": weight * (reward - predicted),
    }
    columns = [F.round(F.sum(one), DECIMALS).alias(name) for name, one in sums.items()]
    return rows.groupBy(MODEL, PLACE, GROUP).agg(*columns)


def read_sums(table: pa.Table, n_groups: int, k: int) -> Mapping[str, ListSums]:
    """Returns `judged_sums` as arrays (groups, places), by model."""
    found = {}
    for model in sorted(table.column(MODEL).unique().to_pylist()):
        own = table.filter(pa.compute.equal(table.column(MODEL), model))
        at = (own.column(GROUP).to_numpy(), own.column(PLACE).to_numpy())
        arrays = {}
        for field in fields(ListSums):
            arrays[field.name] = np.zeros((n_groups, k))
            arrays[field.name][at] = own.column(field.name).to_numpy()
        found[model] = ListSums(**arrays)
    return found


_OUTCOMES = f"array<struct<slot:string,type:string,{ITEM_ID}:string>>"


def _group(n_groups: int) -> Column:
    """Returns the number of a user's group, from 0."""
    return F.pmod(F.xxhash64(USER_ID), F.lit(n_groups)).cast("int").alias(GROUP)


def _half() -> Column:
    """Returns which half of the groups a user's is in, 0 or 1."""
    return F.pmod(F.col(GROUP), F.lit(2)).alias("half")


def _rate(rates: Sequence[Sequence[float]], half: Column, place: Column) -> Column:
    own = F.array(*(F.array(*(F.lit(rate) for rate in row)) for row in rates))
    return F.get(F.get(own, half), place)
