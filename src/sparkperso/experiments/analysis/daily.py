"""Metrics day by day: as they stood at the end of each day, and by day since the exposure.

Only metrics of plain events: those of sessions, quantiles and those that wait have no days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.config.metrics import Metric
from sparkperso.experiments.analysis.exposures import EXPERIMENT, EXPOSED_AT, UNIT, VARIANT
from sparkperso.experiments.analysis.plan import Caps, MetricPlan
from sparkperso.experiments.analysis.unit_values import AT, DAY, in_window
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.metrics.quantities import Term, terms_of
from sparkperso.platform.literals import EPOCH, micros
from sparkperso.rules.evaluate import DECIMALS

Key = tuple[str, str, str]
"""Experiment, metric, variant."""
SUMS = ("y", "yy", "d", "dd", "yd")


def has_days(metric: Metric) -> bool:
    """Says whether a metric can be told by day."""
    terms = [term for term in terms_of(metric)[:2] if term is not None]
    is_plain = not any(term.quantity.is_of_sessions for term in terms)
    return is_plain and not metric.waits and metric.kind != "quantile"


def cumulative_moments(
    exposures: DataFrame, outcomes: DataFrame, plan: MetricPlan, caps: Caps
) -> dict[Key, dict[date, Moments]]:
    """Returns the moments of y and d as they stood at the end of each day (UTC).

    Days on which nobody was exposed and nothing happened are left out. A unit's value changes
    only on days with events of it, so what is added up is the change of each sum: rows are the
    units' days with events, not all of their days.
    """
    day = F.col(AT) - F.pmod(F.col(AT), F.lit(DAY))
    changes = _changes(exposures, outcomes, plan, caps, day=day, is_cumulative=True)
    arrivals = exposures.groupBy(
        EXPERIMENT, VARIANT, F.unix_date(F.to_date(EXPOSED_AT)).alias("day")
    )
    exposed: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for experiment, variant, number, n in arrivals.count().collect():
        exposed[experiment, variant][number] = n
    found: dict[Key, dict[date, Moments]] = {}
    for key, by_day in _by_key(exposed, plan.metrics).items():
        sums, n, series = [0.0] * len(SUMS), 0, {}
        deltas = changes.get(key, {})
        for number in sorted({*by_day, *deltas}):
            n += by_day.get(number, 0)
            change = deltas.get(number, (0.0,) * len(SUMS))
            sums = [a + b for a, b in zip(sums, change, strict=True)]
            series[_date(number)] = _moments(n, sums)
        found[key] = series
    return found


def moments_by_age(
    exposures: DataFrame, outcomes: DataFrame, plan: MetricPlan, caps: Caps
) -> dict[Key, dict[int, Moments]]:
    """Returns the moments of what units did on each day since their exposure, 0 the first.

    A day counts the units for whom it was over by as-of.
    """
    until = micros(plan.as_of)
    since = F.col(AT) - F.col(EXPOSED_AT)
    age = since - F.pmod(since, F.lit(DAY))
    is_over = F.col(EXPOSED_AT) + age + DAY <= until
    changes = _changes(exposures, outcomes.where(is_over), plan, caps, day=age, is_cumulative=False)
    ages = F.floor((F.lit(until) - F.unix_micros(EXPOSED_AT)) / F.lit(DAY)).cast("int")
    observed: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for experiment, variant, age_days, n in (
        exposures.groupBy(EXPERIMENT, VARIANT, ages.alias("age")).count().collect()
    ):
        observed[experiment, variant][age_days] = n
    found: dict[Key, dict[int, Moments]] = {}
    for key, by_age in _by_key(observed, plan.metrics).items():
        sums, n = changes.get(key, {}), 0
        series = {}
        for age_days in range(max(by_age, default=0), 0, -1):
            n += by_age.get(age_days, 0)
            series[age_days - 1] = _moments(n, sums.get(age_days - 1, (0.0,) * len(SUMS)))
        found[key] = dict(sorted(series.items()))
    return found


def _changes(
    exposures: DataFrame,
    outcomes: DataFrame,
    plan: MetricPlan,
    caps: Caps,
    *,
    day: Column,
    is_cumulative: bool,
) -> dict[Key, dict[int, tuple[float, ...]]]:
    """What each day adds to Σy, Σy², Σd, Σd², Σyd of a variant, over its units."""
    terms, quantities = plan.terms, plan.quantities
    sums = [
        F.round(F.sum(F.when(in_window(term), F.col(quantities[term.quantity]))), DECIMALS).alias(
            name
        )
        for term, name in terms.items()
        if not term.is_before
    ]
    days = outcomes.where(F.col(AT) >= F.col(EXPOSED_AT)).groupBy(
        EXPERIMENT, UNIT, (day / F.lit(DAY)).cast("int").alias("day")
    )
    entries = [
        F.when(
            F.col(EXPERIMENT) == key,
            F.struct(
                F.lit(metric.name).alias("metric"),
                F.lit(caps.get((key, metric.name), metric.cap)).cast("double").alias("cap"),
                F.lit(_least(metric)).cast("double").alias("least"),
                *(
                    _column(term, terms).alias(name)
                    for term, name in zip(terms_of(metric)[:2], ("y", "d"), strict=True)
                ),
            ),
        )
        for key, metric in plan.pairs()
    ]
    rows = (
        days.agg(*sums)
        .select(
            EXPERIMENT, UNIT, "day", F.explode(F.array_compact(F.array(*entries))).alias("entry")
        )
        .select(EXPERIMENT, UNIT, "day", "entry.*")
    )
    of_unit = W.partitionBy(EXPERIMENT, UNIT, "metric").orderBy("day")
    if is_cumulative:
        so_far = of_unit.rowsBetween(W.unboundedPreceding, W.currentRow)
        rows = rows.withColumns({"y": F.sum("y").over(so_far), "d": F.sum("d").over(so_far)})
    rows = rows.withColumn("y", _valued(F.col("y"))).select(
        EXPERIMENT,
        UNIT,
        "metric",
        "day",
        *(value.alias(name) for name, value in _products().items()),
    )
    if is_cumulative:
        before = {
            name: F.col(name) - F.coalesce(F.lag(name).over(of_unit), F.lit(0.0)) for name in SUMS
        }
        rows = rows.withColumns({f"_{name}": change for name, change in before.items()})
        rows = rows.select(
            EXPERIMENT, UNIT, "metric", "day", *(F.col(f"_{name}").alias(name) for name in SUMS)
        )
    added = (
        rows.join(exposures.select(EXPERIMENT, UNIT, VARIANT), [EXPERIMENT, UNIT])
        .groupBy(EXPERIMENT, "metric", VARIANT, "day")
        .agg(*(F.sum(name).alias(name) for name in SUMS))
    )
    found: dict[Key, dict[int, tuple[float, ...]]] = defaultdict(dict)
    for row in added.collect():
        found[row[EXPERIMENT], row["metric"], row[VARIANT]][row["day"]] = tuple(
            row[n] for n in SUMS
        )
    return found


def _column(term: Term | None, terms: Mapping[Term, str]) -> Column:
    return F.lit(0.0) if term is None else F.coalesce(F.col(terms[term]), F.lit(0.0))


def _least(metric: Metric) -> float | None:
    return metric.at_least if metric.is_share else None


def _valued(y: Column) -> Column:
    """A unit's value of what was added up: 0 or 1 of a share, capped where there is a cap."""
    share = (y >= F.col("least")).cast("double")
    capped = F.when(F.col("cap").isNull(), y).otherwise(F.least(y, F.col("cap")))
    return F.when(F.col("least").isNotNull(), share).otherwise(capped)


def _products() -> dict[str, Column]:
    y, d = F.col("y"), F.col("d")
    return {"y": y, "yy": y * y, "d": d, "dd": d * d, "yd": y * d}


def _by_key(
    groups: Mapping[tuple[str, str], dict[int, int]], metrics: Mapping[str, Sequence[Metric]]
) -> dict[Key, dict[int, int]]:
    return {
        (experiment, metric.name, variant): counts
        for (experiment, variant), counts in sorted(groups.items())
        for metric in metrics.get(experiment, ())
    }


def _moments(n: int, sums: Sequence[float]) -> Moments:
    y, yy, d, dd, yd = sums
    if not n:
        return Moments.empty()
    mean_y, mean_d = y / n, d / n
    # Rounding may leave a little less than nothing.
    squares = max(yy - y * mean_y, 0.0), max(dd - d * mean_d, 0.0)
    comoments = (squares[0], yd - y * mean_d, 0.0, 0.0, squares[1], *(0.0,) * 5)
    return Moments(n, (mean_y, mean_d, 0.0, 1.0), comoments)


def _date(number: int) -> date:
    return EPOCH.date() + timedelta(days=number)
