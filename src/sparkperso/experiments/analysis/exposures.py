"""First exposures: who was really shown which variant, and since when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.platform.literals import instant

EXPOSURE = "exposure"
# Columns of the frames of this package.
EXPERIMENT, UNIT, VARIANT, EXPOSED_AT = "experiment", "unit", "variant", "exposed_at"
ID_COLUMNS = {"user": "user_id", "anonymous_id": "anonymous_id"}
"""Kind of unit → column of silver/events that holds its id."""


@dataclass(frozen=True)
class ExposureProblems:
    """Exposure events of an experiment that count for no variant, as numbers of events."""

    unknown_variant: int = 0
    """Events that name a variant that the experiment does not have."""
    without_unit: int = 0
    """Events without the id that the experiment deals out."""
    out_of_time: int = 0
    """Events before its start, from its end on, or after as-of."""


def exposure_events(events: DataFrame, experiments: Sequence[Experiment]) -> DataFrame:
    """Returns the exposure events of the experiments: experiment, unit, variant and their like.

    The unit is the id that the experiment deals out, null where the event has none; the variant is
    as sent, one of the experiment or not.
    """
    metadata, experiment = F.col("metadata"), F.col("metadata")[EXPERIMENT]
    by_browser = [one.key for one in experiments if one.unit == "anonymous_id"]
    is_browser = experiment.isin(by_browser)
    of_these = experiment.isin([one.key for one in experiments])
    return events.where((F.col("event_type") == EXPOSURE) & of_these).select(
        "event_id",
        "timestamp",
        experiment.alias(EXPERIMENT),
        F.when(is_browser, F.lit("anonymous_id")).otherwise(F.lit("user")).alias("unit_kind"),
        F.when(is_browser, F.col("anonymous_id")).otherwise(F.col("user_id")).alias(UNIT),
        F.coalesce(metadata["variant"], F.lit("")).alias(VARIANT),
        metadata["decision_id"].alias("decision_id"),
    )


def first_exposures(
    shown: DataFrame, experiments: Sequence[Experiment], as_of: datetime
) -> DataFrame:
    """Returns one row per (experiment, unit) of `exposure_events` with its first exposure.

    `experiment` is the experiment's key.

    1. Exposure events count as `counted_exposures` says.
    2. The first one of a unit says variant and time; of two at one moment, the smaller event id.
    3. `n_variants` is how many different variants the unit was shown: more than one is an error of
       delivery, or of ids, and the analysis leaves such units out.
    """
    counted = counted_exposures(shown, experiments, as_of)
    first = F.min(F.struct("timestamp", "event_id", VARIANT, "decision_id"))
    return (
        counted.groupBy(EXPERIMENT, UNIT, "unit_kind")
        .agg(first.alias("first"), F.count_distinct(VARIANT).cast("int").alias("n_variants"))
        .select(
            EXPERIMENT,
            UNIT,
            "unit_kind",
            F.col("first.variant").alias(VARIANT),
            F.col("first.timestamp").alias(EXPOSED_AT),
            F.col("first.decision_id").alias("decision_id"),
            "n_variants",
        )
    )


def counted_exposures(
    shown: DataFrame, experiments: Sequence[Experiment], as_of: datetime
) -> DataFrame:
    """Returns those of the `exposure_events` that count.

    They name an experiment and one of its variants, carry the id that it deals out, and happened
    while it ran, up to `as_of`. Testers (`overrides`) are left out.
    """
    return shown.where(
        _any(
            experiments,
            lambda one: (
                _is_in_time(one, as_of)
                & F.col(VARIANT).isin(list(one.arms))
                & ~F.col(UNIT).isin(list(one.overrides))
            ),
        )
    )


def exposure_problems(
    shown: DataFrame, experiments: Sequence[Experiment], as_of: datetime
) -> dict[str, ExposureProblems]:
    """Returns, by key, how many of the `exposure_events` are none that `first_exposures` counts."""
    known = _any(experiments, lambda one: F.col(VARIANT).isin(list(one.arms)))
    in_time = _any(experiments, lambda one: _is_in_time(one, as_of))
    rows = (
        shown.groupBy(EXPERIMENT)
        .agg(F.count_if(~known), F.count_if(F.col(UNIT).isNull()), F.count_if(~in_time))
        .collect()
    )
    return {row[0]: ExposureProblems(row[1], row[2], row[3]) for row in rows}


def _any(experiments: Sequence[Experiment], test: Callable[[Experiment], Column]) -> Column:
    """Whether a row passes the test of its own experiment; never null."""
    tests = ((F.col(EXPERIMENT) == one.key) & test(one) for one in experiments)
    return F.coalesce(reduce(Column.__or__, tests, F.lit(False)), F.lit(False))


def _is_in_time(experiment: Experiment, as_of: datetime) -> Column:
    at = F.col("timestamp")
    inside = at <= instant(as_of)
    if experiment.start is not None:
        inside &= at >= instant(experiment.start)
    return inside if experiment.end is None else inside & (at < instant(experiment.end))


def early_clicks(events: DataFrame, exposures: DataFrame) -> dict[str, tuple[int, int]]:
    """Returns, by experiment, how many clicks on what was shown came before it, and how many all.

    A click names the decision that it was made on, as the first exposure does: one before it says
    that clocks are off, or that exposures are sent too late.
    """
    clicks = events.where(F.col("event_type") == "click").select(
        F.col("metadata")["decision_id"].alias("decision_id"), "timestamp"
    )
    shown = exposures.where(F.col("decision_id").isNotNull()).select(
        EXPERIMENT, "decision_id", EXPOSED_AT
    )
    is_early = F.col("timestamp") < F.col(EXPOSED_AT)
    rows = (
        clicks.join(shown, "decision_id")
        .groupBy(EXPERIMENT)
        .agg(F.count_if(is_early), F.count(F.lit(1)))
        .collect()
    )
    return {row[0]: (row[1], row[2]) for row in rows}
