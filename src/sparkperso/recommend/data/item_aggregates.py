"""What pairs add up to per item, and per item and attribute: item-sized, from rows that stay."""

from __future__ import annotations

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from sparkperso.recommend.arrays.numbers import Floats, Texts

DECIMALS = 9
"""Sums are rounded, so that the order in which partitions are added up does not show."""
AGE = "pair.ages"
"""Column of the days since the pair was last touched, for weights."""


def item_sums(profiles: DataFrame, n_items: int, weight: Column) -> Floats:
    """Returns Σ weight over the preferred pairs of each item (items,): their strength is above 0.

    `profiles` has items, strengths and ages; `weight` may read AGE. One Spark job; a row per item
    comes to the driver. Rounded to 9 decimals.
    """
    pairs = profiles.select(F.explode(_preferred()).alias("pair"))
    table = pairs.groupBy(F.col("pair.items").alias("item")).agg(_sum(weight)).toArrow()
    sums = np.zeros(n_items)
    sums[table.column("item").to_numpy()] = table.column("total").to_numpy()
    return sums


def token_sums(
    profiles: DataFrame, n_items: int, weight: Column, tokens: Column
) -> tuple[Texts, csr_matrix]:
    """Returns the users' tokens in order, and tokens × items of Σ weight over preferred pairs.

    `tokens` is an array<string> of each user. A token without a pair has an empty row. A number
    per token and item that occur together comes to the driver, rounded to 9 decimals.
    """
    pairs = profiles.select(F.explode(tokens).alias("token"), _preferred().alias("pairs"))
    pairs = pairs.select("token", F.explode_outer("pairs").alias("pair"))
    keys = ("token", F.col("pair.items").alias("item"))
    table = pairs.groupBy(*keys).agg(_sum(weight)).orderBy("token", "item").toArrow()
    names, rows = np.unique(
        np.array(table.column("token").to_pylist(), dtype=str), return_inverse=True
    )
    known = table.column("item").is_valid().to_numpy()
    columns = table.column("item").fill_null(0).to_numpy()[known]
    totals = table.column("total").fill_null(0.0).to_numpy()[known]
    shape = (len(names), n_items)
    return names.astype(object), csr_matrix((totals, (rows[known], columns)), shape=shape)


def _preferred() -> Column:
    pairs = F.arrays_zip("items", "strengths", "ages")
    return F.filter(pairs, lambda pair: pair["strengths"] > 0)


def _sum(weight: Column) -> Column:
    return F.round(F.sum(weight.cast("double")), DECIMALS).alias("total")
