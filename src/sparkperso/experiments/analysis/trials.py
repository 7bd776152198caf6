"""What bandits learn from: days on which a unit was shown a variant, and what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.metrics import Metric
from sparkperso.core.errors import JobError
from sparkperso.experiments.analysis.exposures import (
    EXPERIMENT,
    EXPOSED_AT,
    ID_COLUMNS,
    UNIT,
    VARIANT,
    counted_exposures,
)
from sparkperso.experiments.analysis.segments_at import SEGMENTS, memberships, with_segments
from sparkperso.experiments.analysis.unit_values import AT, DAY
from sparkperso.experiments.assignment.shares import EVERYBODY
from sparkperso.experiments.bandits.shares import Trials, TrialSums
from sparkperso.metrics.quantities import amount, terms_of
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import instant
from sparkperso.rules.evaluate import DECIMALS

SEGMENT, UNTIL, NUMBER, SUCCESSES = "segment", "until", "n", "successes"


def trials_of(shown: DataFrame, experiments: Sequence[Experiment], as_of: datetime) -> DataFrame:
    """Returns one row per trial of `exposure_events`: a unit, a variant and a day (UTC).

    Columns: experiment, unit, unit_kind, variant, exposed_at (the first exposure of that day),
    until (when the unit's next trial of the experiment begins; null for the last one). Days before
    `recent_days` are left out.
    """
    counted = counted_exposures(shown, experiments, as_of)
    recent = [
        (F.col(EXPERIMENT) != one.key)
        | (F.col("timestamp") > instant(as_of - timedelta(days=one.bandit.recent_days)))
        for one in experiments
        if one.bandit is not None and one.bandit.recent_days is not None
    ]
    days = (
        reduce(DataFrame.where, recent, counted)
        .groupBy(EXPERIMENT, UNIT, "unit_kind", VARIANT, F.to_date("timestamp").alias("day"))
        .agg(F.min("timestamp").alias(EXPOSED_AT))
    )
    order = W.partitionBy(EXPERIMENT, UNIT).orderBy(EXPOSED_AT, VARIANT)
    return days.withColumn(UNTIL, F.lead(EXPOSED_AT).over(order))


def with_outcomes(
    trials: DataFrame,
    events: DataFrame,
    experiments: Mapping[str, Metric],
    as_of: datetime,
) -> DataFrame:
    """Returns the trials with n and successes, by the metric of each experiment's key.

    An event counts for the last trial before it, within the metric's window: each once, whatever
    the unit was shown in between. A proportion's n is 1, and it succeeds or not; a ratio's is what
    is below the line, and its successes are no more than that.
    """
    quantities = {
        quantity: f"q{place}"
        for place, quantity in enumerate(
            dict.fromkeys(
                term.quantity
                for metric in experiments.values()
                for term in terms_of(metric)[:2]
                if term is not None
            )
        )
    }
    counted = events.where(F.col("timestamp") <= instant(as_of)).select(
        *ID_COLUMNS.values(),
        F.unix_micros("timestamp").alias(AT),
        *(amount(quantity).alias(name) for quantity, name in quantities.items()),
    )
    counted = counted.where(
        reduce(Column.__or__, [F.col(name).isNotNull() for name in quantities.values()])
    )
    begin, end = F.unix_micros(EXPOSED_AT), F.unix_micros(UNTIL)
    inside = (F.col(AT) >= begin) & (end.isNull() | (F.col(AT) < end))
    key = [EXPERIMENT, UNIT, VARIANT, EXPOSED_AT]
    frames = [
        counted.join(
            trials.where(F.col("unit_kind") == kind), F.col(column) == F.col(UNIT), "inner"
        ).where(inside)
        for kind, column in ID_COLUMNS.items()
    ]
    kept = [*key, AT, *quantities.values()]
    outcomes = reduce(DataFrame.unionByName, [frame.select(*kept) for frame in frames])

    def total(metric: Metric, place: int) -> Column:
        term = terms_of(metric)[place]
        if term is None:
            return F.lit(1.0)
        column = F.col(quantities[term.quantity])
        if term.end_days is not None:
            column = F.when(F.col(AT) - begin < int(term.end_days * DAY), column)
        # Rounded, so that the order in which events are added up shows in no digit.
        return F.round(F.coalesce(F.sum(column), F.lit(0.0)), DECIMALS)

    def chosen(values: Mapping[str, Column]) -> Column:
        """The value of the row's own experiment."""
        return F.coalesce(
            *(F.when(F.col(EXPERIMENT) == name, value) for name, value in values.items())
        )

    sums = outcomes.groupBy(*key).agg(
        *(
            each.alias(f"{name}{place}")
            for place, metric in enumerate(experiments.values())
            for name, each in (("y", total(metric, 0)), ("d", total(metric, 1)))
        )
    )
    joined = trials.join(sums, key, "left")
    numbers, successes = {}, {}
    for place, (name, metric) in enumerate(experiments.items()):
        y = F.coalesce(F.col(f"y{place}"), F.lit(0.0))
        if metric.kind == "ratio":
            below = F.coalesce(F.col(f"d{place}"), F.lit(0.0))
            numbers[name], successes[name] = below, F.least(y, below)
        else:
            numbers[name] = F.lit(1.0)
            successes[name] = (y >= metric.at_least).cast("double")
    return joined.select(
        *trials.columns, chosen(numbers).alias(NUMBER), chosen(successes).alias(SUCCESSES)
    )


def with_segment(
    trials: DataFrame, history: DataFrame | None, experiments: Sequence[Experiment]
) -> DataFrame:
    """Returns the trials with the segment that their unit was in at that time, "" for none.

    Of the segmentation that the experiment names; of several of its segments, the first by name,
    as `assignment.shares.segment_of`. `history` is gold/segment_history.
    """
    by = {one.key: one.bandit.by for one in experiments if one.bandit and one.bandit.by}
    if not by or history is None:
        return trials.withColumn(SEGMENT, F.lit(EVERYBODY))
    members = memberships(history, sorted(set(by.values())))
    segmentation = F.create_map(*(F.lit(text) for pair in by.items() for text in pair))
    own = with_segments(trials, members, sorted(set(by.values())))
    kept = own.where(F.col("segmentation") == segmentation[F.col(EXPERIMENT)])
    found = kept.select(
        EXPERIMENT, UNIT, VARIANT, EXPOSED_AT, F.try_element_at(SEGMENTS, F.lit(1)).alias(SEGMENT)
    )
    joined = trials.join(found, [EXPERIMENT, UNIT, VARIANT, EXPOSED_AT], "left")
    return joined.withColumn(SEGMENT, F.coalesce(SEGMENT, F.lit(EVERYBODY)))


def weighted_sums(trials: DataFrame) -> DataFrame:
    """Returns the sums of `TrialSums`. Grain: (experiment, segment, variant).

    On one day, in one segment, a variant with n of N trials weighs each of its own N / n: as if all
    variants had been shown alike. Shares and days change together, and a good day that had more of
    one variant is none of its merits. The shares are those that were really given, not planned.
    """
    cells = trials.groupBy(EXPERIMENT, SEGMENT, VARIANT, F.to_date(EXPOSED_AT).alias("day")).agg(
        F.sum(NUMBER).alias(NUMBER), F.sum(SUCCESSES).alias(SUCCESSES)
    )
    of_day = F.sum(NUMBER).over(W.partitionBy(EXPERIMENT, SEGMENT, "day"))
    weight = F.col("all") / F.col(NUMBER)
    return (
        cells.withColumn("all", of_day)
        .where(F.col(NUMBER) > 0)
        .groupBy(EXPERIMENT, SEGMENT, VARIANT)
        .agg(
            F.sum(NUMBER).alias(NUMBER),
            F.sum(SUCCESSES).alias(SUCCESSES),
            *(
                F.round(F.sum(value), DECIMALS).alias(name)
                for name, value in (
                    ("weight", weight * F.col(NUMBER)),
                    ("weighted", weight * F.col(SUCCESSES)),
                    ("squares", weight * weight * F.col(NUMBER)),
                )
            ),
        )
    )


def bandit_trials(
    shown: DataFrame,
    events: DataFrame,
    history: DataFrame | None,
    experiments: Sequence[tuple[Experiment, Metric]],
    *,
    as_of: datetime,
    most_segments: int,
) -> dict[str, Trials]:
    """Returns, by key, the trials of bandits, by their metrics: events are read once for all.

    Raises JobError where an experiment has more than `most_segments` segments.
    """
    ones = [one for one, _ in experiments]
    trials = trials_of(shown, ones, as_of)
    metrics = {one.key: metric for one, metric in experiments}
    done = with_segment(with_outcomes(trials, events, metrics, as_of), history, ones)
    sums = keep_cached(weighted_sums(done))
    widest = sums.groupBy(EXPERIMENT).agg(F.count_distinct(SEGMENT).alias("n_segments"))
    for row in widest.orderBy(F.desc("n_segments"), EXPERIMENT).limit(1).collect():
        if row["n_segments"] > most_segments:
            raise JobError(
                f"A bandit has shares of at most {most_segments} segments",
                f"'{row[EXPERIMENT]}' has {row['n_segments']}",
                "Name another segmentation in 'by', or raise experiments.max_segments",
            )
    found: dict[str, dict[str, dict[str, TrialSums]]] = defaultdict(lambda: defaultdict(dict))
    for row in sums.orderBy(EXPERIMENT, SEGMENT, VARIANT).collect():
        found[row[EXPERIMENT]][row[SEGMENT]][row[VARIANT]] = TrialSums(
            row[NUMBER], row[SUCCESSES], row["weight"], row["weighted"], row["squares"]
        )
    return {one.key: found.get(one.key, {}) for one in ones}
