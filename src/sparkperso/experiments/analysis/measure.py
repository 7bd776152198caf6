"""Measures experiments: exposures and events in, a few numbers per experiment out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.core.errors import JobError
from sparkperso.experiments.analysis.daily import cumulative_moments, has_days, moments_by_age
from sparkperso.experiments.analysis.distributions import (
    Group,
    bucket_sums,
    collected_counts,
    quantile_ranges,
    value_counts,
)
from sparkperso.experiments.analysis.exposures import EXPERIMENT, VARIANT
from sparkperso.experiments.analysis.plan import MetricPlan
from sparkperso.experiments.analysis.segments_at import memberships, with_segments
from sparkperso.experiments.analysis.shared_units import with_earlier
from sparkperso.experiments.analysis.unit_metrics import (
    METRIC,
    moments_of,
    quantile_caps,
    read_moments,
    unit_metrics,
)
from sparkperso.experiments.analysis.unit_values import (
    N_AHEAD,
    N_EVENTS,
    outcome_events,
    unit_terms,
)
from sparkperso.experiments.results.measured import EARLIER, Cell, Measured, MeasuredMetric
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.quantiles import QuantileRange
from sparkperso.experiments.statistics.resampling import BucketSums
from sparkperso.platform.frames import keep_cached

DRIVER_VALUES = 500_000
"""Most values with counts that come to the driver for ranks; above, they are rounded first."""


def measure(
    exposures: DataFrame,
    events: DataFrame,
    history: DataFrame | None,
    plan: MetricPlan,
    config: ExperimentsConfig,
    *,
    shared: DataFrame | None = None,
) -> dict[str, Measured]:
    """Returns what was measured of each experiment of the plan.

    1. Units that saw several variants are left out, and counted.
    2. Events are read once: those of exposed units that a metric counts, kept in memory.
    3. They become one row per unit, then caps, then moments by variant and segment; of units that
       were in another experiment before, by its variant too (`shared`, of `shared_units`).
    4. Metrics that ask for it are counted by value and by bucket; those of
       `plan.daily` by day.

    `exposures` is gold/exposures, `history` gold/segment_history. Raises JobError where units are
    in more sets of segments than `experiments.max_segments`.
    """
    sizes = _sizes(exposures)
    if not plan.pairs():
        return {key: sizes.get(key, _Sizes()).measured({}) for key in plan.metrics}
    counted = keep_cached(exposures.where(F.col("n_variants") == 1))
    outcomes = keep_cached(outcome_events(counted, events, plan, config.lookback_days))
    units = keep_cached(unit_terms(outcomes, plan, config.session_gap_minutes))
    times = units.groupBy(EXPERIMENT).agg(F.sum(N_EVENTS), F.sum(N_AHEAD))
    for experiment, n_events, n_ahead in times.collect():
        sizes[experiment].n_events, sizes[experiment].n_ahead = n_events, n_ahead
    everybody = with_segments(counted, None, ())
    capped = plan.only(lambda _, metric: metric.cap_quantile is not None)
    caps = quantile_caps(unit_metrics(everybody, units, capped), capped) if capped.pairs() else {}
    members = memberships(history, config.segmentations) if history is not None else None
    segmented = with_segments(counted, members, config.segmentations)
    if shared is not None:
        segmented = segmented.unionByName(with_earlier(counted, shared))
    cells, earlier = _cells(unit_metrics(segmented, units, plan, caps), config)
    ranked = plan.only(lambda _, m: m.kind == "quantile" or "mann_whitney" in m.methods)
    values = unit_metrics(everybody, units, ranked, caps) if ranked.pairs() else None
    quantiles, counts = _distributions(values, ranked, cells)
    by_bucket = plan.only(lambda _, m: "bootstrap" in m.methods)
    buckets: dict[Group, BucketSums] = {}
    if by_bucket.pairs():
        buckets = bucket_sums(unit_metrics(everybody, units, by_bucket, caps))
    daily = plan.only(lambda key, m: m.name in plan.daily.get(key, ()) and has_days(m))
    days: dict[Group, dict[date, Moments]] = {}
    ages: dict[Group, dict[int, Moments]] = {}
    if daily.pairs():
        days = cumulative_moments(counted, outcomes, daily, caps)
        ages = moments_by_age(counted, outcomes, daily, caps)
    found: dict[str, dict[str, MeasuredMetric]] = defaultdict(dict)
    for key, metric in plan.pairs():
        pair = key, metric.name
        found[key][metric.name] = MeasuredMetric(
            cells=tuple(cells.get(pair, ())),
            earlier=tuple(earlier.get(pair, ())),
            quantiles=_of(quantiles, pair),
            counts=counts.get(pair, {}),
            buckets=_of(buckets, pair),
            days=_of(days, pair),
            ages=_of(ages, pair),
        )
    return {key: sizes.get(key, _Sizes()).measured(found[key]) for key in plan.metrics}


@dataclass
class _Sizes:
    """How many units an experiment has."""

    units: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    n_several: int = 0
    n_events: int = 0
    n_ahead: int = 0

    def measured(self, metrics: Mapping[str, MeasuredMetric]) -> Measured:
        return Measured(
            metrics, self.units, self.n_several, self.first, self.n_events, self.n_ahead
        )


def _sizes(exposures: DataFrame) -> dict[str, _Sizes]:
    has_several = F.col("n_variants") > 1
    rows = exposures.groupBy(EXPERIMENT, VARIANT).agg(
        F.count_if(~has_several), F.count_if(has_several)
    )
    found: dict[str, _Sizes] = defaultdict(_Sizes)
    for experiment, variant, n, n_several in sorted(rows.collect()):
        sizes = found[experiment]
        sizes.units[variant], sizes.first[variant] = n, n + n_several
        sizes.n_several += n_several
    return found


Cells = dict[tuple[str, str], list[Cell]]
"""(experiment, metric) → cells."""


def _cells(values: DataFrame, config: ExperimentsConfig) -> tuple[Cells, Cells]:
    """The moments of each metric, by variant and set of segments, in a total order.

    Those of segments, and those by the variant of an earlier experiment.
    """
    rows = keep_cached(moments_of(values))
    is_earlier = F.coalesce(F.col("segmentation").startswith(EARLIER), F.lit(False))
    sets = (
        rows.where(~is_earlier)
        .groupBy("segmentation")
        .agg(F.count_distinct("segments").alias("n"))
        .orderBy(F.desc("n"))
    )
    widest = sets.first()
    if widest is not None and widest["n"] > config.max_segments:
        raise JobError(
            f"Units are in at most {config.max_segments} different sets of segments",
            f"In {widest['n']} of the segmentation '{widest['segmentation']}'",
            "Take it out of experiments.segmentations, or raise experiments.max_segments",
        )
    found: Cells = defaultdict(list)
    earlier: Cells = defaultdict(list)
    for row in rows.collect():
        cell = Cell(
            row[VARIANT], row["segmentation"], tuple(row["segments"]), read_moments(row.asDict())
        )
        into = earlier if (cell.segmentation or "").startswith(EARLIER) else found
        into[row[EXPERIMENT], row[METRIC]].append(cell)
    for cells in (*found.values(), *earlier.values()):
        cells.sort(key=lambda cell: (cell.segmentation or "", cell.variant, cell.segments))
    return found, earlier


def _distributions(
    values: DataFrame | None, plan: MetricPlan, cells: Mapping[tuple[str, str], Sequence[Cell]]
) -> tuple[dict[Group, QuantileRange], dict[tuple[str, str], dict[str, dict[float, int]]]]:
    if values is None:
        return {}, {}
    counts = keep_cached(value_counts(values))
    sizes = {
        (key, metric.name, variant): MeasuredMetric(tuple(of)).whole(variant).n
        for key, metric in plan.pairs()
        if metric.kind == "quantile"
        for of in (cells.get((key, metric.name), ()),)
        for variant in {cell.variant for cell in of}
    }
    ranked = [metric.name for _, metric in plan.pairs() if metric.methods]
    by_value = (
        collected_counts(counts.where(F.col(METRIC).isin(ranked)), DRIVER_VALUES) if ranked else {}
    )
    return quantile_ranges(counts, plan, sizes), by_value


Found = TypeVar("Found")


def _of(groups: Mapping[Group, Found], pair: tuple[str, str]) -> dict[str, Found]:
    """Variant → what was found of an experiment's metric."""
    return {
        variant: found for (key, metric, variant), found in groups.items() if (key, metric) == pair
    }
