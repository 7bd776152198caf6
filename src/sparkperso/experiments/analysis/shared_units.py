"""Units that were in two experiments, at once or one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.experiments.analysis.exposures import EXPERIMENT, UNIT, VARIANT, counted_exposures
from sparkperso.experiments.analysis.segments_at import SEGMENTATION, SEGMENTS
from sparkperso.experiments.results.measured import EARLIER
from sparkperso.experiments.results.neighbours import Neighbour, SharedUnits
from sparkperso.platform.literals import instant

OTHER, OTHER_VARIANT, AT_ONCE = "other", "other_variant", "at_once"
FIRST, LAST, UNIT_KIND = "first_at", "last_at", "unit_kind"


def shared_units(
    shown: DataFrame,
    experiments: Sequence[Experiment],
    neighbours: Mapping[str, Sequence[Neighbour]],
    as_of: datetime,
) -> DataFrame | None:
    """Returns the units of experiments that were in a neighbour too; None without neighbours.

    `neighbours` by key of an experiment; `shown` are the `exposure_events` of experiments and
    neighbours. Grain: (experiment, other, unit), with variant, other_variant and at_once: whether
    it saw each since the other began. Those that saw the other only before are the earlier ones;
    whoever saw it only afterwards is in none. Of several variants of a unit the first counts.
    """
    pairs = [(one, each) for one in experiments for each in neighbours.get(one.key, ())]
    if not pairs:
        return None
    everyone = {each.experiment.key: each.experiment for _, each in pairs}
    everyone |= {one.key: one for one, _ in pairs}
    # Which variants an older version had is not written down any more.
    as_sent = {each.experiment.key for _, each in pairs if each.is_earlier_version}
    spells = (
        counted_exposures(
            shown, list(everyone.values()), as_of, as_sent=as_sent - {one.key for one, _ in pairs}
        )
        .groupBy(EXPERIMENT, UNIT, UNIT_KIND)
        .agg(
            F.min(F.struct("timestamp", "event_id", VARIANT))[VARIANT].alias(VARIANT),
            F.min("timestamp").alias(FIRST),
            F.max("timestamp").alias(LAST),
        )
    )
    theirs = spells.select(
        F.col(EXPERIMENT).alias(OTHER),
        UNIT,
        UNIT_KIND,
        F.col(VARIANT).alias(OTHER_VARIANT),
        F.col(FIRST).alias("other_first"),
        F.col(LAST).alias("other_last"),
    )

    def of_pair(test: Column, one: Experiment, each: Neighbour) -> Column:
        return (F.col(EXPERIMENT) == one.key) & (F.col(OTHER) == each.experiment.key) & test

    def any_of(tests: list[Column]) -> Column:
        return reduce(Column.__or__, tests)

    seen_since = [
        of_pair(_since("other_last", one) & _since(LAST, each.experiment), one, each)
        for one, each in pairs
    ]
    seen_before = [of_pair(~_since("other_last", one), one, each) for one, each in pairs]
    return (
        spells.join(theirs, [UNIT, UNIT_KIND])
        .withColumn(AT_ONCE, any_of(seen_since))
        .where(F.col(AT_ONCE) | any_of(seen_before))
        .select(EXPERIMENT, OTHER, UNIT, VARIANT, OTHER_VARIANT, AT_ONCE)
    )


def count_shared(shared: DataFrame) -> dict[str, dict[str, SharedUnits]]:
    """Returns, by experiment and neighbour, how many units of each variant saw which other one."""
    counts: dict[tuple[str, str], dict[bool, dict[tuple[str, str], int]]] = defaultdict(
        lambda: {True: {}, False: {}}
    )
    rows = shared.groupBy(EXPERIMENT, OTHER, AT_ONCE, VARIANT, OTHER_VARIANT).count().collect()
    for experiment, other, at_once, variant, other_variant, n in sorted(rows):
        counts[experiment, other][at_once][variant, other_variant] = n
    found: dict[str, dict[str, SharedUnits]] = defaultdict(dict)
    for (experiment, other), by_time in counts.items():
        found[experiment][other] = SharedUnits(by_time[True], by_time[False])
    return found


def with_earlier(exposures: DataFrame, shared: DataFrame) -> DataFrame:
    """Returns the exposures of units that saw a neighbour before, with its variant as a segment.

    Grain: (experiment, unit, segmentation), the columns of `with_segments`: the segmentation is
    the neighbour's key after `EARLIER`.
    """
    earlier = shared.where(~F.col(AT_ONCE)).select(
        EXPERIMENT,
        UNIT,
        F.concat(F.lit(EARLIER), OTHER).alias(SEGMENTATION),
        F.array(OTHER_VARIANT).alias(SEGMENTS),
    )
    return exposures.join(earlier, [EXPERIMENT, UNIT]).select(
        *exposures.columns, SEGMENTATION, SEGMENTS
    )


def _since(column: str, one: Experiment) -> Column:
    """Whether a time is not before an experiment's start; of one without start, always."""
    return F.lit(True) if one.start is None else F.col(column) >= instant(one.start)
