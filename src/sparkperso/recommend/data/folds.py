"""Cuts in time: what a model may learn from, and what it is judged by.

1. Cuts are times by which given shares of the events have happened (`cut_times`).
2. One aggregation over the events makes a row per pair (user, item) that holds, for each cut
   beside each other, what was known then and what came next (`_pairs_at`).
3. A fold is a view of these rows (`FoldSet.fold`): interactions up to its cut, and the relevant
   items between it and the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.section import InteractionsConfig, SplitConfig
from sparkperso.core.columns import EVENT_TYPE, ITEM_ID, STRENGTH, TIMESTAMP, USER_ID
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import instant, moment
from sparkperso.recommend.data.interactions import counts_at, strength_of, weight_at

RATING = "rating"
"""The type of events whose value is a rating."""


@dataclass(frozen=True)
class TrainingSet:
    """What a model learns from: nothing in it is later than `as_of`."""

    as_of: datetime
    events: DataFrame
    """Events at or before `as_of`, anonymous ones too; columns of silver/events."""
    interactions: DataFrame
    """user_id, item_id, strength and last_at of gold/interactions as of `as_of`."""
    items: DataFrame
    """item_id: those with an event at or before `as_of`, whoever's it is."""


@dataclass(frozen=True)
class Fold:
    """A training set, and what its users turned to afterwards."""

    name: str
    training: TrainingSet
    relevant: DataFrame
    """Relevant items: (user_id, item_id), new to a user who has interactions in training."""
    cold_relevant: DataFrame
    """Relevant items of users who have none: (user_id, item_id)."""
    ratings: DataFrame
    """Ratings given afterwards: user_id, item_id, rating, one row per pair."""
    ends_at: datetime
    cold_user_share: float
    """Share (0 to 1) of the users with relevant items who have no interaction in training."""


@dataclass(frozen=True)
class FoldSet:
    """One history, cut several times: the folds in time order, the last of them is the test."""

    events: DataFrame
    """Events up to the end of the test, anonymous ones too."""
    spans: tuple[tuple[datetime, datetime], ...]
    """Per fold: its cut, up to which models learn, and its end, up to which they are judged."""
    pairs: DataFrame
    """One row per (user_id, item_id); items are named.

    user_id is null for events without a user, and for those that say nothing of one (neither with
    a weight, nor relevant, nor a rating): they count for the item alone. So there are as many rows
    as there are interactions, about. first_at: the first event. is_rated: whether a rating is among
    them. For the fold at place n: strength_<n> and last_at_<n> as of its cut, last_at null where no
    event counts by then; is_answer_<n>: whether a relevant event came between its cut and its end.
    """

    @property
    def names(self) -> list[str]:
        """Returns the folds' names."""
        return [*(f"fold_{n}" for n in range(1, len(self.spans))), "test"]

    def folds(self) -> list[Fold]:
        """Returns all folds as frames; `pairs` are kept for them until the open keeper ends."""
        keep_cached(self.pairs)
        return [self.fold(place, share) for place, share in enumerate(self._cold_shares())]

    def fold(self, place: int, cold_user_share: float) -> Fold:
        """Returns a fold as frames, views of `pairs`."""
        cut, end = self.spans[place]
        named = self.pairs.where(F.col(USER_ID).isNotNull())
        is_known = F.col(f"last_at_{place}").isNotNull()
        interactions = named.where(is_known).select(
            USER_ID,
            ITEM_ID,
            F.col(f"strength_{place}").alias(STRENGTH),
            F.col(f"last_at_{place}").alias("last_at"),
        )
        known = interactions.select(USER_ID).distinct()
        # Not what the user had before the cut: to list that again is no recommendation.
        relevant = named.where(F.col(f"is_answer_{place}") & ~is_known).select(USER_ID, ITEM_ID)
        before = F.col(TIMESTAMP) <= instant(cut)
        after = (F.col(TIMESTAMP) > instant(cut)) & (F.col(TIMESTAMP) <= instant(end))
        items = self.pairs.where(F.col("first_at") <= instant(cut)).select(ITEM_ID).distinct()
        return Fold(
            self.names[place],
            TrainingSet(cut, self.events.where(before), interactions, items),
            relevant.join(known, USER_ID, how="left_semi"),
            relevant.join(known, USER_ID, how="left_anti"),
            latest_ratings(self.events.where(after)),
            end,
            cold_user_share,
        )

    def _cold_shares(self) -> list[float]:
        """Returns `Fold.cold_user_share` of every fold, from one aggregation."""
        places = range(len(self.spans))
        flags = [
            F.max(column).alias(f"{name}_{n}")
            for n in places
            for name, column in (
                ("judged", F.col(f"is_answer_{n}")),
                ("known", F.col(f"last_at_{n}").isNotNull()),
            )
        ]
        users = self.pairs.where(F.col(USER_ID).isNotNull()).groupBy(USER_ID).agg(*flags)
        shares = [
            F.avg(F.when(F.col(f"judged_{n}"), (~F.col(f"known_{n}")).cast("double")))
            for n in places
        ]
        row = users.agg(*shares).collect()[0]
        return [round(float(share or 0.0), 6) for share in row]


def cut_times(events: DataFrame, shares: Sequence[float]) -> list[datetime]:
    """Returns the time by which each share of the events that name user and item has happened.

    `shares` are 0 to 1. Whole minutes, naive UTC, so that finding a cut takes memory for the
    minutes, not for the events. Raises QualityGateError when there are no such events.
    """
    named = events.where(F.col(USER_ID).isNotNull() & F.col(ITEM_ID).isNotNull())
    minute = F.floor(F.unix_micros(F.date_trunc("minute", TIMESTAMP))).alias("minute")
    cuts = [
        F.expr(f"percentile_disc({share}) WITHIN GROUP (ORDER BY minute)").alias(f"cut_{n}")
        for n, share in enumerate(shares)
    ]
    row = named.select(minute).agg(*cuts).first()
    if row is None or any(value is None for value in row):
        raise QualityGateError(
            "Training needs events that name a user and an item",
            "silver/events holds none up to as-of",
        )
    return [moment(int(value)) for value in row]


def make_cuts(
    events: DataFrame, interactions: InteractionsConfig, split: SplitConfig, as_of: datetime
) -> FoldSet:
    """Returns the folds, all before the test's cut, and the test.

    Every fold trains on all events up to its cut (expanding window) and is judged by those up to
    the next cut; the test trains up to `test_from` and is judged by the rest, up to `as_of`. Later
    events are left out. Raises QualityGateError where no event names a user and an item.
    """
    known = events.where(F.col(TIMESTAMP) <= instant(as_of))
    cuts = cut_times(known, [*split.fold_ends, split.test_from])
    spans = tuple(pairwise([*cuts, as_of]))
    pairs = _pairs_at(known, interactions, split, spans)
    return FoldSet(known, spans, pairs)


def make_folds(
    events: DataFrame, interactions: InteractionsConfig, split: SplitConfig, as_of: datetime
) -> tuple[list[Fold], Fold]:
    """Returns the folds of `make_cuts` as frames, in the order of their cuts, and the test.

    Raises QualityGateError where no event names a user and an item.
    """
    *folds, test = make_cuts(events, interactions, split, as_of).folds()
    return folds, test


def _pairs_at(
    events: DataFrame,
    interactions: InteractionsConfig,
    split: SplitConfig,
    spans: Sequence[tuple[datetime, datetime]],
) -> DataFrame:
    """Returns `FoldSet.pairs`."""
    rated = (F.col(EVENT_TYPE) == RATING) & F.col("value").isNotNull()
    columns: list[Column] = [F.min(TIMESTAMP).alias("first_at"), F.max(rated).alias("is_rated")]
    is_relevant = F.col(EVENT_TYPE).isin(list(split.relevant))
    for n, (cut, end) in enumerate(spans):
        counted = counts_at(interactions, cut)
        is_next = (F.col(TIMESTAMP) > instant(cut)) & (F.col(TIMESTAMP) <= instant(end))
        columns += [
            strength_of(F.when(counted, weight_at(interactions, cut))).alias(f"strength_{n}"),
            F.max(F.when(counted, F.col(TIMESTAMP))).alias(f"last_at_{n}"),
            F.max(is_relevant & is_next).alias(f"is_answer_{n}"),
        ]
    # Null for the other types, which would else make a row per user and item that no model reads;
    # their items are known by the row without a user.
    types = {*interactions.weights, *split.relevant, RATING}
    user = F.when(F.col(EVENT_TYPE).isin(sorted(types)), F.col(USER_ID)).alias(USER_ID)
    return events.where(F.col(ITEM_ID).isNotNull()).groupBy(user, ITEM_ID).agg(*columns)


def latest_ratings(events: DataFrame) -> DataFrame:
    """Returns user_id, item_id, rating: one row per pair, the user's latest rating of the item.

    Of several at one time the one with the larger event_id counts.
    """
    rated = events.where((F.col(EVENT_TYPE) == RATING) & F.col("value").isNotNull())
    rated = rated.where(F.col(USER_ID).isNotNull() & F.col(ITEM_ID).isNotNull())
    latest = F.max_by("value", F.struct(TIMESTAMP, "event_id", "value"))
    return rated.groupBy(USER_ID, ITEM_ID).agg(latest.alias("rating"))


def cold_share(relevant: DataFrame, known: DataFrame) -> float:
    """Returns the share (0 to 1) of the users with relevant items who are not among the known.

    `known` has one row per user_id. Rounded to 6 decimals; 0 without users.
    """
    users = relevant.select(USER_ID).distinct()
    marked = users.join(known.withColumn("known", F.lit(1)), USER_ID, how="left")
    share = marked.agg(F.avg(F.col("known").isNull().cast("double"))).first()
    return round(float(share[0] or 0.0), 6) if share else 0.0
