"""Units' values of each metric, and their moments by variant and segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.metrics import Metric
from sparkperso.experiments.analysis.exposures import EXPERIMENT, UNIT, VARIANT
from sparkperso.experiments.analysis.plan import Caps, MetricPlan
from sparkperso.experiments.analysis.segments_at import SEGMENTATION, SEGMENTS
from sparkperso.experiments.analysis.unit_values import is_observed
from sparkperso.experiments.statistics.moments import PAIRS, QUANTITIES, Moments
from sparkperso.metrics.quantities import Term, terms_of
from sparkperso.rules.evaluate import DECIMALS

METRIC = "metric"
VALUES = QUANTITIES
"""Columns y, d, x, w of a unit: the metric, its denominator, and both of the time before."""


def unit_metrics(
    exposures: DataFrame, units: DataFrame, plan: MetricPlan, caps: Caps | None = None
) -> DataFrame:
    """Returns one row per (experiment, unit, metric): variant, segments…, y, d, x, w.

    `exposures` are the units that count, `units` what they did (`unit_terms`): whoever did nothing
    has zeros. `caps` are those of `quantile_caps`.
    """
    values = exposures.join(units, [EXPERIMENT, UNIT], "left")
    kept = [c for c in exposures.columns if c not in ("unit_kind", "n_variants", "decision_id")]
    entries = [
        F.when(
            (F.col(EXPERIMENT) == key) & is_observed(metric, plan.as_of),
            F.struct(
                F.lit(metric.name).alias(METRIC),
                *_values(metric, plan.terms, (caps or {}).get((key, metric.name), metric.cap)),
            ),
        )
        for key, metric in plan.pairs()
    ]
    rows = values.select(*kept, F.explode(F.array_compact(F.array(*entries))).alias("entry"))
    return rows.select(*kept, "entry.*")


def quantile_caps(values: DataFrame, plan: MetricPlan) -> dict[tuple[str, str], float]:
    """Returns (experiment, metric) → the cap of metrics with `cap_quantile`.

    The exact quantile of all values above zero, of all variants together: it knows no variant.
    """
    wanted = {
        (key, metric.name): metric.cap_quantile
        for key, metric in plan.pairs()
        if metric.cap_quantile is not None
    }
    if not wanted:
        return {}
    positive = F.when(F.col("y") > 0, F.col("y"))
    numbers = [
        F.percentile(F.when(_is(*pair), positive), quantile).alias(f"c{place}")
        for place, (pair, quantile) in enumerate(wanted.items())
    ]
    row = values.agg(*numbers).collect()[0]
    found = zip(wanted, row, strict=True)
    return {pair: float(cap) for pair, cap in found if cap is not None}


def moments_of(values: DataFrame) -> DataFrame:
    """Returns the moments of `unit_metrics`, for `read_moments`.

    Grain: (experiment, metric, variant, segmentation, set of segments).
    """
    return values.groupBy(EXPERIMENT, METRIC, VARIANT, SEGMENTATION, SEGMENTS).agg(
        F.count(F.lit(1)).alias("n"),
        *(F.avg(name).alias(f"mean_{name}") for name in VALUES),
        *(F.covar_pop(*pair).alias(f"co_{pair}") for pair in PAIRS),
    )


def read_moments(row: Mapping[str, Any]) -> Moments:
    """Returns the moments of a row of `moments_of`."""
    n = row["n"]
    means = [row[f"mean_{name}"] for name in VALUES]
    comoments = [row[f"co_{pair}"] * n for pair in PAIRS]
    return Moments(n, tuple(means), tuple(comoments))


def _values(metric: Metric, terms: Mapping[Term, str], cap: float | None) -> list[Column]:
    value, below, before, before_below = terms_of(metric)
    has_denominator = metric.denominator is not None
    return [
        _value(metric, value, terms, cap).alias("y"),
        (_term(below, terms) if has_denominator else F.lit(1.0)).alias("d"),
        _value(metric, before, terms, cap).alias("x"),
        (_term(before_below, terms) if has_denominator else F.lit(1.0)).alias("w"),
    ]


def _value(
    metric: Metric, term: Term | None, terms: Mapping[Term, str], cap: float | None
) -> Column:
    column = _term(term, terms)
    if metric.is_share:
        least = metric.at_least if metric.kind == "proportion" else 1.0
        return (column >= least).cast("double")
    return column if cap is None else F.least(column, F.lit(float(cap)))


def _term(term: Term | None, terms: Mapping[Term, str]) -> Column:
    if term is None:
        return F.lit(0.0)
    # Rounded, so that the order in which events are added up shows in no digit.
    return F.round(F.coalesce(F.col(terms[term]), F.lit(0.0)), DECIMALS)


def _is(experiment: str, metric: str) -> Column:
    return (F.col(EXPERIMENT) == experiment) & (F.col(METRIC) == metric)
