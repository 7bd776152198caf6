"""A split made ready.

1. Rows of both parts are checked and counted (`read_ratings`); the test may not begin before the
   training ends.
2. Users and items get attributes from their columns, items their positions.
3. The engine is chosen by the number of pairs.
4. The test is one fold; folds for tuning are cut inside the training part (`folds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.data_size import DataSize
from sparkperso.config.recommend.section import RecommendConfig
from sparkperso.core.columns import ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.reporting import Say
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import instant
from sparkperso.recommend.benchmark.candidates import DataShape, looks_explicit
from sparkperso.recommend.benchmark.column_attributes import describe
from sparkperso.recommend.benchmark.folds import cut_training, make_fold
from sparkperso.recommend.benchmark.items import number_items, read_items
from sparkperso.recommend.benchmark.read_ratings import FIRST, Rows, read_rows, require_columns
from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.data.user_histories import capped_text, load_catalogue
from sparkperso.recommend.fit.fit_strategy import choose_engine, make_fitter
from sparkperso.recommend.tune.tuning import TuningContext


@dataclass(frozen=True)
class Frames:
    """The files of a benchmark, as they were read."""

    train: DataFrame
    test: DataFrame
    items: DataFrame | None = None
    users: DataFrame | None = None


@dataclass(frozen=True)
class PreparedSplit:
    """A split that models can be tuned and tested on."""

    context: TuningContext
    shape: DataShape
    prepared_folds: tuple[PreparedFold, ...]
    """The folds inside the training part."""
    test: PreparedFold
    test_users: DataFrame
    """user_id: all users of the test, one row each."""
    split: dict[str, Any]
    """The document's part about the split."""


def prepare_split(
    frames: Frames, config: RecommendConfig, k: int, allow_overlap: bool, say: Say
) -> PreparedSplit:
    """Returns the split made ready; `k` is the length of the lists to judge.

    Raises JobError for rows that cannot be used, and where items exceed
    `config.max_driver_items`; UsageError for a test that begins before the training ends.
    """
    train, test = read_rows(frames.train, "--train"), read_rows(frames.test, "--test")
    require_order(train, test, allow_overlap)
    attributes, users = read_users(frames)
    items, item_counts = read_items(frames.items, frames.train)
    listed = items.select(ITEM_ID)
    context = make_context(train, items, attributes, (config, k, say))
    say(f"engine {context.fitter.engine.name}: {context.fitter.engine.reason}")
    warnings = [warning(train)] if train.is_once else []
    lengths = train.frame.groupBy(USER_ID).agg(F.count_distinct(ITEM_ID).alias("n"))
    n_long = lengths.where(F.col("n") > config.max_user_items).count()
    warnings += [capped_text(n_long, config.max_user_items)] if n_long else []
    for line in warnings:
        say(line)
    later = begun_later(test, train.last_at)
    prepared = context.prepared(make_fold("test", train.frame, later, train.last_at, listed))
    cuts = cut_training(train, listed)
    prepared_folds = tuple(context.prepared(fold) for fold in cuts.folds)
    judged = [one.judged_users.count() for one in prepared_folds]
    split = {
        "k": k,
        "metric": context.metric,
        "train": train.counts,
        "test": test.counts,
        "items": item_counts,
        "users": users,
        "warnings": warnings,
        **test_counts(train, test, prepared, listed),
        "validation": {**cuts.document, "n_judged_users": judged},
    }
    shape = DataShape(
        frames.items is not None,
        cuts.is_rolling,
        looks_explicit(train.rating_kinds, *train.rating_range),
        context.size,
        config.max_item_pairs,
        context.fitter.engine,
    )
    return PreparedSplit(context, shape, prepared_folds, prepared, users_of(test), split)


def warning(train: Rows) -> str:
    """Returns the warning about training rows in which no pair repeats (`Rows.is_once`)."""
    return (
        f"No pair of user and item repeats in the {train.counts['n_rows']:,} rows of --train. If a "
        "row is a pair at the time of its last event, what was there before a cut and again after "
        "it counts as new in the folds, and misleads them: give all events, or the time of each "
        f"pair's first one as {FIRST}"
    )


def begun_later(test: Rows, when: datetime) -> DataFrame:
    """Returns the rows of the test without pairs that began by `when` (naive UTC), hence not new.

    Only a first_timestamp tells: without one, all rows.
    """
    if not test.has_firsts:
        return test.frame
    known = test.frame.where(F.col(TIMESTAMP) <= instant(when)).select(USER_ID, ITEM_ID)
    return test.frame.join(known.distinct(), [USER_ID, ITEM_ID], how="left_anti")


def make_context(
    train: Rows, items: DataFrame, attributes: DataFrame, rest: tuple[RecommendConfig, int, Say]
) -> TuningContext:
    """Returns what all models share: the items of training and of --items, numbered.

    Raises JobError when there are more than `config.max_driver_items`.
    """
    config, k, say = rest
    index = number_items(train.frame.select(ITEM_ID).union(items.select(ITEM_ID)))
    catalogue = load_catalogue(index, items, config.max_driver_items)
    engine = choose_engine(config.engine, train.counts["n_pairs"], config.one_task_pairs)
    fitter = make_fitter(config, catalogue, engine)
    slots = index.sparkSession.sparkContext.defaultParallelism
    criterion = replace(config.search.criterion, k=k)
    size = DataSize(train.counts["n_users"], len(catalogue), train.counts["n_pairs"])
    return TuningContext(config, criterion, fitter, index, attributes, slots, size, say)


def read_users(frames: Frames) -> tuple[DataFrame, dict[str, Any]]:
    """Returns user_id, attributes of --users (one row per user), and counts of its rows.

    Raises JobError without a column user_id.
    """
    if frames.users is None:
        spark = frames.train.sparkSession
        nobody = spark.createDataFrame([], f"{USER_ID} string, attributes array<string>")
        return nobody, {}
    require_columns(frames.users, (USER_ID,), "--users")
    described = describe(frames.users, USER_ID)
    return keep_cached(described.frame), described.counts


def require_order(train: Rows, test: Rows, allow_overlap: bool) -> None:
    """Raises UsageError when the test begins before the training ends."""
    if is_overlapping(train, test) and not allow_overlap:
        raise UsageError(
            "The test should begin where the training ends: what comes later is not to be known",
            f"The test begins at {test.first_at} (UTC), the training ends at {train.last_at}",
            "Cut by time, or say --allow-time-overlap if the split is meant so",
        )


def is_overlapping(train: Rows, test: Rows) -> bool:
    """Returns whether the test begins before the training ends; False without times."""
    return train.has_times and test.has_times and test.first_at < train.last_at


def require_folds(prepared_folds: Sequence[PreparedFold]) -> None:
    """Raises JobError when there is nobody to tune with."""
    if not prepared_folds:
        raise JobError(
            "Models are tuned on users of the training part who turn to something new in it",
            "There is no such user: everybody has one item only, or all have the same few",
            "Bring more rows",
        )


def test_counts(
    train: Rows, test: Rows, prepared: PreparedFold, listed: DataFrame
) -> dict[str, Any]:
    """Returns users, items and pairs of the test beside those of the training."""
    users, known = users_of(test), users_of(train)
    items = test.frame.select(ITEM_ID).distinct()
    known_items = train.frame.select(ITEM_ID).union(listed).distinct()
    pairs = test.frame.select(USER_ID, ITEM_ID).distinct()
    seen = pairs.join(train.frame, [USER_ID, ITEM_ID], how="left_semi").count()
    n_relevant = prepared.profiles.agg(F.coalesce(F.sum("n_relevant"), F.lit(0))).collect()[0][0]
    return {
        "n_catalogue": len(prepared.allowed),
        "n_test_users": users.count(),
        "n_judged_users": prepared.judged_users.where("n_history > 0").count(),
        "n_cold_users": users.join(known, USER_ID, how="left_anti").count(),
        "n_cold_items": items.join(known_items, ITEM_ID, how="left_anti").count(),
        "n_right_answers": int(n_relevant),
        "n_seen_pairs": seen,
        "has_time_check": train.has_times and test.has_times,
        "has_time_overlap": is_overlapping(train, test),
    }


def users_of(rows: Rows) -> DataFrame:
    """Returns user_id: one row per user of the rows."""
    return rows.frame.select(USER_ID).distinct()
