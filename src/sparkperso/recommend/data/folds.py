"""Cuts in time: what a model may learn from, and what it is asked afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend import InteractionsConfig, SplitConfig
from sparkperso.core.columns import EVENT_TYPE, ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.literals import instant, moment
from sparkperso.recommend.data.interactions import build_interactions

MINUTE = 60_000_000


@dataclass(frozen=True)
class TrainingSet:
    """What a model learns from: nothing in it is later than `as_of`."""

    as_of: datetime
    events: DataFrame
    """Events at or before `as_of`, anonymous ones too; columns of silver/events."""
    interactions: DataFrame
    """gold/interactions as of `as_of`; kept in memory until `release`."""

    def release(self) -> None:
        """Lets go of what is kept in memory."""
        self.interactions.unpersist()


@dataclass(frozen=True)
class Fold:
    """A training set, and what its users turned to afterwards."""

    name: str
    training: TrainingSet
    relevant: DataFrame
    """Right answers: (user_id, item_id), new to a user who has interactions in training."""
    cold_relevant: DataFrame
    """Right answers of users who have none."""
    ratings: DataFrame
    """Ratings given afterwards: user_id, item_id, rating."""
    ends_at: datetime
    cold_user_share: float
    """Share of the users with right answers who have no interaction in training: not judged."""

    def release(self) -> None:
        """Lets go of what is kept in memory."""
        self.training.release()
        self.relevant.unpersist()


def cut_times(events: DataFrame, shares: Sequence[float]) -> list[datetime]:
    """Returns the time by which each share of the events that name user and item has happened.

    Whole minutes, so that finding a cut takes memory for the minutes, not for the events. Raises
    QualityGateError when there are no such events.
    """
    named = events.where(F.col(USER_ID).isNotNull() & F.col(ITEM_ID).isNotNull())
    minute = F.floor(F.unix_micros(F.date_trunc("minute", TIMESTAMP))).alias("minute")
    cuts = [
        F.expr(f"percentile_disc({share}) WITHIN GROUP (ORDER BY minute)").alias(f"cut_{n}")
        for n, share in enumerate(shares)
    ]
    found = named.select(minute).agg(*cuts).first()
    if found is None or any(value is None for value in found):
        raise QualityGateError(
            "Training needs events that name a user and an item",
            "silver/events holds none up to as-of",
        )
    return [moment(int(value)) for value in found]


def training_set(events: DataFrame, config: InteractionsConfig, as_of: datetime) -> TrainingSet:
    """Returns what was known at `as_of`."""
    known = events.where(F.col(TIMESTAMP) <= instant(as_of))
    return TrainingSet(as_of, known, build_interactions(known, config, as_of).persist())


def make_fold(
    name: str,
    events: DataFrame,
    interactions: InteractionsConfig,
    split: SplitConfig,
    span: tuple[datetime, datetime],
) -> Fold:
    """Returns the fold that learns up to the first time and is asked up to the second."""
    cut, end = span
    training = training_set(events, interactions, cut)
    later = (F.col(TIMESTAMP) > instant(cut)) & (F.col(TIMESTAMP) <= instant(end))
    named = F.col(USER_ID).isNotNull() & F.col(ITEM_ID).isNotNull()
    after = events.where(later & named)
    answers = after.where(F.col(EVENT_TYPE).isin(list(split.relevant)))
    answers = answers.select(USER_ID, ITEM_ID).distinct()
    known = training.interactions.select(USER_ID).distinct()
    judged = answers.join(known, USER_ID, how="left_semi")
    seen = training.interactions.select(USER_ID, ITEM_ID)
    relevant = judged.join(seen, [USER_ID, ITEM_ID], how="left_anti").persist()
    cold_users = answers.join(known, USER_ID, how="left_anti")
    ratings, cold = latest_ratings(after), cold_share(answers, known)
    return Fold(name, training, relevant, cold_users, ratings, end, cold)


def make_folds(
    events: DataFrame, interactions: InteractionsConfig, split: SplitConfig, as_of: datetime
) -> tuple[list[Fold], Fold]:
    """Returns the folds, in time order and all before the test's cut, and the test.

    Every fold trains on all events up to its end (expanding window) and is asked about those up
    to the next end; the test trains up to `test_from` and is asked about the rest, up to `as_of`.
    """
    known = events.where(F.col(TIMESTAMP) <= instant(as_of))
    cuts = cut_times(known, [*split.fold_ends, split.test_from])
    spans = list(pairwise([*cuts, as_of]))
    names = [*(f"fold_{n}" for n in range(1, len(cuts))), "test"]
    folds = [
        make_fold(name, known, interactions, split, span)
        for name, span in zip(names, spans, strict=True)
    ]
    return folds[:-1], folds[-1]


def latest_ratings(events: DataFrame) -> DataFrame:
    """Returns user_id, item_id, rating: each user's latest rating of each item."""
    rated = events.where((F.col(EVENT_TYPE) == "rating") & F.col("value").isNotNull())
    rated = rated.where(F.col(USER_ID).isNotNull() & F.col(ITEM_ID).isNotNull())
    latest = F.max_by("value", F.struct(TIMESTAMP, "event_id", "value"))
    return rated.groupBy(USER_ID, ITEM_ID).agg(latest.alias("rating"))


def cold_share(answers: DataFrame, known: DataFrame) -> float:
    """Returns the share of the users with answers who are not among the known."""
    users = answers.select(USER_ID).distinct()
    marked = users.join(known.withColumn("known", F.lit(1)), USER_ID, how="left")
    share = marked.agg(F.avg(F.col("known").isNull().cast("double"))).first()
    return round(float(share[0] or 0.0), 6) if share else 0.0
