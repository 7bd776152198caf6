"""What moments do not hold of a metric: counts of its values, its percentiles, sums by bucket."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.experiments.analysis.exposures import EXPERIMENT, UNIT, VARIANT
from sparkperso.experiments.analysis.plan import MetricPlan
from sparkperso.experiments.analysis.unit_metrics import METRIC
from sparkperso.experiments.statistics.quantiles import QuantileRange, bounding_percentiles
from sparkperso.experiments.statistics.resampling import BucketSums

Group = tuple[str, str, str]
"""Experiment, metric, variant."""
GROUP = (EXPERIMENT, METRIC, VARIANT)
BUCKETS = 1000
DIGITS = 4
"""Significant digits that values are rounded to where there are too many different ones."""


def value_counts(values: DataFrame) -> DataFrame:
    """Returns (experiment, metric, variant, y, n): how many units have each value."""
    return values.groupBy(*GROUP, "y").agg(F.count(F.lit(1)).alias("n"))


def quantile_ranges(
    counts: DataFrame, plan: MetricPlan, sizes: Mapping[Group, int]
) -> dict[Group, QuantileRange]:
    """Returns the quantile of each group, with the percentiles that its standard error needs.

    `sizes` are the units of each group. The percentile p of n values is the ⌈p n⌉-th in their
    order, so one of the values; it is found by counts that are added up, in Spark.
    """
    shares = {
        group: (metric.quantile, bounding_percentiles(n, metric.quantile))
        for group, n in sizes.items()
        for key, metric in plan.pairs()
        if (key, metric.name) == group[:2] and metric.quantile is not None and n
    }
    if not shares:
        return {}
    so_far = W.partitionBy(*GROUP).orderBy("y").rowsBetween(W.unboundedPreceding, W.currentRow)
    ranked = counts.withColumn("rank", F.sum("n").over(so_far))
    numbers = []
    for place, (group, (quantile, beside)) in enumerate(shares.items()):
        ranks = [_rank(share, sizes[group]) for share in (quantile, *(beside or ()))]
        is_of_group = F.struct(*GROUP) == F.struct(*(F.lit(name) for name in group))
        numbers += [
            F.min(F.when(is_of_group & (F.col("rank") >= rank), F.col("y"))).alias(f"g{place}_{k}")
            for k, rank in enumerate(ranks)
        ]
    row = ranked.agg(*numbers).collect()[0].asDict()
    return {
        group: QuantileRange(
            sizes[group],
            row[f"g{place}_0"],
            row.get(f"g{place}_1"),
            row.get(f"g{place}_2"),
        )
        for place, group in enumerate(shares)
    }


def collected_counts(
    counts: DataFrame, most: int
) -> dict[tuple[str, str], dict[str, dict[float, int]]]:
    """Returns (experiment, metric) → variant → value → units, on the driver.

    Where there are more than `most` rows, values are rounded to four significant digits first, so
    that there are at most some ten thousand per power of ten: ranks within a ten-thousandth of a
    value are then ties.
    """
    if counts.limit(most + 1).count() > most:
        counts = (
            counts.withColumn("y", _rounded(F.col("y")))
            .groupBy(*GROUP, "y")
            .agg(F.sum("n").alias("n"))
        )
    found: dict[tuple[str, str], dict[str, dict[float, int]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for experiment, metric, variant, y, n in counts.collect():
        found[experiment, metric][variant][y] = n
    return found


def bucket_sums(values: DataFrame) -> dict[Group, BucketSums]:
    """Returns the units of each group in buckets of a hash of their id, in the buckets' order."""
    bucket = F.pmod(F.xxhash64(UNIT), F.lit(BUCKETS)).cast("int")
    rows = (
        values.groupBy(*GROUP, bucket.alias("bucket"))
        .agg(F.count(F.lit(1)).cast("double"), F.sum("y"))
        .orderBy("bucket")
        .collect()
    )
    by_group: dict[Group, list[tuple[float, float]]] = defaultdict(list)
    for experiment, metric, variant, _, n, total in rows:
        by_group[experiment, metric, variant].append((n, total))
    found = {}
    for group, pairs in by_group.items():
        counts, sums = (np.array(column) for column in zip(*pairs, strict=True))
        found[group] = BucketSums(int(counts.sum()), counts, sums)
    return found


def _rank(share: float, n: int) -> int:
    # Nine decimals: 0.9 × 10 is a little more than 9 in binary.
    return max(1, int(np.ceil(round(share * n, 9))))


def _rounded(value: Column) -> Column:
    """A number to `DIGITS` significant digits; 0 stays 0."""
    power = F.pow(F.lit(10.0), F.lit(DIGITS - 1) - F.floor(F.log10(F.abs(value))))
    return F.when(value == 0, value).otherwise(F.round(value * power) / power)
