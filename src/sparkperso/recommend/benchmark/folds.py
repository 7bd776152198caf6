"""Where a split is cut: the folds inside its training part, and the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import EVENT_TYPE, ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import instant
from sparkperso.recommend.benchmark.read_ratings import RATING, Rows, pairs_of
from sparkperso.recommend.data.folds import Fold, TrainingSet, cold_share, cut_times, latest_ratings

ORIGINS = (0.8, 0.9)
"""Shares of the training rows, in time order, at which the folds' training ends."""
HELD = 10
"""One in so many pairs is held out where there are no times."""
ENOUGH = (5, 2)
"""Pairs that a user must have for some to be held out; the second where nobody has the first."""


@dataclass(frozen=True)
class FoldSet:
    """The folds inside a training part, and how they were cut."""

    folds: tuple[Fold, ...]
    document: dict[str, Any]
    """kind, cuts (ISO text), and why there is a hold-out instead."""

    @property
    def is_rolling(self) -> bool:
        """Whether the folds are cut in time."""
        return bool(self.document["cuts"])


def make_fold(
    name: str, before: DataFrame, after: DataFrame, as_of: datetime, listed: DataFrame
) -> Fold:
    """Returns the fold that learns from rows `before` and is judged by those `after`.

    Relevant are pairs with a rating above 0 that the user does not have before. `listed` has
    item_id: items that may be recommended though nobody had them. Pairs and relevant items are
    cached until the open keeper ends.
    """
    pairs = keep_cached(pairs_of(before))
    events = as_events(before, listed)
    training = TrainingSet(as_of, events, pairs, events.select(ITEM_ID).distinct())
    liked = after.where(F.col(RATING) > 0).select(USER_ID, ITEM_ID).distinct()
    is_new = liked.join(pairs, [USER_ID, ITEM_ID], how="left_anti")
    known = pairs.select(USER_ID).distinct()
    relevant = keep_cached(is_new.join(known, USER_ID, how="left_semi"))
    cold_relevant = is_new.join(known, USER_ID, how="left_anti")
    ratings, cold = latest_ratings(as_events(after)), cold_share(is_new, known)
    return Fold(name, training, relevant, cold_relevant, ratings, as_of, cold)


def as_events(rows: DataFrame, listed: DataFrame | None = None) -> DataFrame:
    """Returns rows in the columns of silver/events that folds look at.

    Each is a rating; of those at the same time the largest is the latest. An item of `listed` is
    an event without user.
    """
    events = rows.select(
        USER_ID,
        ITEM_ID,
        F.lit("rating").alias(EVENT_TYPE),
        F.col(RATING).alias("value"),
        TIMESTAMP,
        F.col(RATING).alias("event_id"),
    )
    return events if listed is None else events.unionByName(listed, allowMissingColumns=True)


def cut_training(rows: Rows, listed: DataFrame) -> FoldSet:
    """Returns the folds inside the training part; none where nobody turns to a new item.

    Rolling origins where times tell rows apart, a hold-out by hash of the ids otherwise.
    """
    if rows.is_timed:
        cuts = cut_times(rows.frame, ORIGINS)
        folds = _usable(_rolling(rows, cuts, listed))
        if folds:
            ends = [fold.training.as_of.isoformat() for fold in folds]
            return FoldSet(folds, {"kind": "rolling origins", "cuts": ends})
    why = "times leave nobody to ask" if rows.is_timed else "no times tell rows apart"
    for n_pairs in ENOUGH:
        folds = _usable([_held_out(rows, listed, n_pairs)])
        if folds:
            document = {"kind": "hold-out", "min_pairs": n_pairs, "why": why, "cuts": []}
            return FoldSet(folds, document)
    return FoldSet((), {"kind": "none", "why": why, "cuts": []})


def _rolling(rows: Rows, cuts: Sequence[datetime], listed: DataFrame) -> list[Fold]:
    ends = sorted({*cuts, rows.last_at})
    folds = []
    for number, (cut, end) in enumerate(pairwise(ends), 1):
        when = F.col(TIMESTAMP)
        before = rows.frame.where(when <= instant(cut))
        after = rows.frame.where((when > instant(cut)) & (when <= instant(end)))
        folds.append(make_fold(f"fold_{number}", before, after, cut, listed))
    return folds


def _held_out(rows: Rows, listed: DataFrame, min_pairs: int) -> Fold:
    """Returns a fold that holds out one in ten pairs of users with enough of them."""
    pairs = pairs_of(rows.frame).where("strength > 0")
    busy = pairs.groupBy(USER_ID).count().where(F.col("count") >= min_pairs).select(USER_ID)
    # By a hash: the same pairs however the rows are spread.
    is_drawn = F.pmod(F.xxhash64(USER_ID, ITEM_ID), F.lit(HELD)) == 0
    held = pairs.where(is_drawn).join(busy, USER_ID, how="left_semi").select(USER_ID, ITEM_ID)
    before = rows.frame.join(held, [USER_ID, ITEM_ID], how="left_anti")
    after = rows.frame.join(held, [USER_ID, ITEM_ID], how="left_semi")
    return make_fold("held_out", before, after, rows.last_at, listed)


def _usable(folds: Sequence[Fold]) -> tuple[Fold, ...]:
    """Returns the folds with relevant items of users with a history."""
    return tuple(fold for fold in folds if not fold.relevant.isEmpty())
