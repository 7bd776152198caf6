"""First exposures: who was really shown which variant, and since when."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.platform.literals import instant

EXPOSURE, CLICK = "exposure", "click"
# Columns of the frames of this package.
EXPERIMENT, UNIT, VARIANT, EXPOSED_AT = "experiment", "unit", "variant", "exposed_at"
ID_COLUMNS = {"user": "user_id", "anonymous_id": "anonymous_id"}
"""Kind of unit → column of silver/events that holds its id."""


CLOCK_TOLERANCE = timedelta(minutes=1)
"""How far an event's time may lie after its receipt: what is under way takes a moment, a clock that
is right never runs ahead of it."""
NAMES = (EXPERIMENT, VARIANT, "decision_id")
"""What is read of the metadata of exposures and clicks."""


@dataclass(frozen=True)
class ExposureProblems:
    """Exposure events of an experiment that are odd, as numbers of events.

    The first three kinds count for no variant.
    """

    unknown_variant: int = 0
    """Events that name a variant that the experiment does not have."""
    without_unit: int = 0
    """Events without the id that the experiment deals out."""
    out_of_time: int = 0
    """Events before its start, from its end on, or after as-of."""
    ahead: int = 0
    """Events whose time lies more than `CLOCK_TOLERANCE` after their receipt."""
    n_events: int = 0
    """All events."""


@dataclass(frozen=True)
class EarlyClicks:
    """Clicks on what an experiment's units were shown first."""

    n_early: int = 0
    """Those before it was shown."""
    n_clicks: int = 0
    n_units: int = 0
    """Units of those before."""


def is_ahead() -> Column:
    """Returns whether an event's time lies after its receipt: its clock runs ahead."""
    forgiven = CLOCK_TOLERANCE // timedelta(microseconds=1)
    return F.unix_micros("timestamp") - F.unix_micros("received_at") > forgiven


def exposures_and_clicks(events: DataFrame, experiments: Sequence[Experiment]) -> DataFrame:
    """Returns the exposures of experiments and all clicks that name a decision, few columns each.

    What `exposure_events` and `early_clicks` look at, for reading events once.
    """
    metadata = F.col("metadata")
    of_these = metadata[EXPERIMENT].isin([one.key for one in experiments])
    is_exposure = (F.col("event_type") == EXPOSURE) & of_these
    is_click = (F.col("event_type") == CLICK) & metadata["decision_id"].isNotNull()
    return events.where(is_exposure | is_click).select(
        *("event_id", "event_type", "timestamp", "received_at", *ID_COLUMNS.values()),
        F.map_filter(metadata, lambda name, _: name.isin(*NAMES)).alias("metadata"),
    )


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
        F.coalesce(is_ahead(), F.lit(False)).alias("is_ahead"),
    )


def counted_exposures(
    shown: DataFrame,
    experiments: Sequence[Experiment],
    as_of: datetime,
    *,
    as_sent: Collection[str] = (),
) -> DataFrame:
    """Returns the `exposure_events` that count.

    Those that name an experiment and one of its variants, carry the id that it deals out, and
    happened while it ran, up to `as_of`. Testers (`overrides`) are left out. Of experiments whose
    keys are in `as_sent` any variant counts.
    """

    def counts(one: Experiment) -> Column:
        is_known = F.col(VARIANT).isin(list(one.arms)) | F.lit(one.key in as_sent)
        # That it has an id is said here: without testers nothing is one of them, not even null.
        is_unit = F.col(UNIT).isNotNull() & ~F.col(UNIT).isin(list(one.overrides))
        return _is_in_time(one, as_of) & is_known & is_unit

    return shown.where(_any(experiments, counts))


def first_exposures(
    shown: DataFrame, experiments: Sequence[Experiment], as_of: datetime
) -> DataFrame:
    """Returns one row per (experiment, unit) of `exposure_events` with its first exposure.

    `experiment` is the experiment's key.

    1. Events count as `counted_exposures` says.
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


def exposure_problems(
    shown: DataFrame, experiments: Sequence[Experiment], as_of: datetime
) -> dict[str, ExposureProblems]:
    """Returns, by key, how many of the `exposure_events` do not count, or have a wrong time."""
    known = _any(experiments, lambda one: F.col(VARIANT).isin(list(one.arms)))
    in_time = _any(experiments, lambda one: _is_in_time(one, as_of))
    rows = (
        shown.groupBy(EXPERIMENT)
        .agg(
            F.count_if(~known),
            F.count_if(F.col(UNIT).isNull()),
            F.count_if(~in_time),
            F.count_if("is_ahead"),
            F.count(F.lit(1)),
        )
        .collect()
    )
    return {row[0]: ExposureProblems(*row[1:]) for row in rows}


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


def early_clicks(events: DataFrame, exposures: DataFrame) -> dict[str, EarlyClicks]:
    """Returns, by experiment, how many clicks on what was shown came before it, and how many all.

    A click names the decision that it was made on, as the first exposure does: one before it says
    that clocks are off, or that exposures are sent too late.
    """
    clicks = events.where(F.col("event_type") == CLICK).select(
        F.col("metadata")["decision_id"].alias("decision_id"), "timestamp"
    )
    shown = exposures.where(F.col("decision_id").isNotNull()).select(
        EXPERIMENT, UNIT, "decision_id", EXPOSED_AT
    )
    is_early = F.col("timestamp") < F.col(EXPOSED_AT)
    rows = (
        clicks.join(shown, "decision_id")
        .groupBy(EXPERIMENT)
        .agg(
            F.count_if(is_early),
            F.count(F.lit(1)),
            F.count_distinct(F.when(is_early, F.col(UNIT))),
        )
        .collect()
    )
    return {row[0]: EarlyClicks(*row[1:]) for row in rows}
