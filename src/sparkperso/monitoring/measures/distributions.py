"""Distributions as counts over bins: of numbers by a reference's quantiles, of names as such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

Edges = Mapping[str, Sequence[float]]
"""Column → inner edges of its bins, rising; a bin has its upper edge in it."""


def quantile_edges(
    frame: DataFrame, key: str, columns: Sequence[str], n_bins: int, sample_users: int
) -> dict[str, list[float]]:
    """Returns the inner edges of bins with as many rows each, equal ones once.

    Exact quantiles of a sample by a hash of `key`, so that neither partitions nor order show. Of a
    column without a number there are none.
    """
    if not columns:
        return {}
    n = frame.count()
    chosen = frame
    if n > sample_users:
        # Of so many parts of the hash, those that hold as many rows as are wanted.
        parts = 1_000_000
        bucket = F.pmod(F.xxhash64(key), F.lit(parts))
        chosen = frame.where(bucket < max(1, parts * sample_users // n))
    points = [step / n_bins for step in range(1, n_bins)]
    numbers = {name: F.col(name).cast("double") for name in columns}
    known = {name: F.when(~F.isnan(number), number) for name, number in numbers.items()}
    row = chosen.agg(
        *(F.percentile(known[name], points).alias(name) for name in columns)
    ).collect()[0]
    return {name: sorted(set(row[name] or ())) for name in columns}


def bin_counts(frame: DataFrame, edges: Edges) -> dict[str, list[int]]:
    """Returns how many rows lie in each bin of each column; the last number is of missing ones."""
    if not edges:
        return {}
    pairs = [
        F.struct(F.lit(name).alias("subject"), _bin(name, inner).alias("bin"))
        for name, inner in edges.items()
    ]
    each = frame.select(F.explode(F.array(*pairs)).alias("one")).select("one.*")
    rows = each.groupBy("subject", "bin").count().collect()
    found = {(row["subject"], row["bin"]): row["count"] for row in rows}
    return {
        name: [found.get((name, place), 0) for place in range(len(inner) + 2)]
        for name, inner in edges.items()
    }


def name_counts(frame: DataFrame, group: str, name: str) -> dict[str, dict[str, int]]:
    """Returns, by group, how many rows each name has."""
    counts: dict[str, dict[str, int]] = {}
    for first, second, n in frame.groupBy(group, name).count().orderBy(group, name).collect():
        counts.setdefault(first, {})[second] = n
    return counts


def _bin(name: str, inner: Sequence[float]) -> Column:
    number = F.col(name).cast("double")
    passed = ((number > F.lit(edge)).cast("int") for edge in inner)
    place = reduce(Column.__add__, passed, F.lit(0))
    return F.when(number.isNull() | F.isnan(number), F.lit(len(inner) + 1)).otherwise(place)
