"""Spark MLlib's ALS: the engine to compare with, fitted so that the order of rows does not show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.recommend.arrays.numbers import Singles
from sparkperso.recommend.data.id_index import new_index_rows


@dataclass(frozen=True)
class MllibSetting:
    """What all MLlib fits share."""

    seed: int
    num_blocks: int
    """Blocks of users and of items. With one, factors are the same to the bit everywhere."""


def fit_mllib(
    profiles: DataFrame, n_items: int, params: Any, setting: MllibSetting, implicit: bool = True
) -> Singles:
    """Returns the item factors (items × rank, float32) of Spark's ALS; 0 for items without a pair.

    `profiles` has user_id, items (positions) and strengths; pairs at or below 0 are left out when
    `implicit`. Rows enter sorted, in as many partitions as there are blocks: sums inside a block
    then run in the same order whatever the order of arrival. Raises JobError when there are more
    users than 32 bits can number.
    """
    als = ALS(
        rank=params.rank,
        maxIter=params.max_iter,
        regParam=params.reg_param,
        alpha=getattr(params, "alpha", 1.0),
        implicitPrefs=implicit,
        numUserBlocks=setting.num_blocks,
        numItemBlocks=setting.num_blocks,
        seed=setting.seed,
        userCol="user",
        itemCol="item",
        ratingCol="value",
        # Without a checkpoint folder an interval would be ignored; max_iter is bounded instead.
        checkpointInterval=-1,
    )
    spread = numbered_pairs(profiles, params, implicit).repartition(setting.num_blocks, "user")
    model = als.fit(spread.sortWithinPartitions("user", "item"))
    # Spark gives the items that it saw, in any order; the others stay 0.
    factors = np.zeros((n_items, params.rank), dtype=np.float32)
    table = model.itemFactors.toArrow()
    flat = table.column("features").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    factors[table.column("id").to_numpy()] = flat.reshape(table.num_rows, params.rank)
    return factors


def numbered_pairs(profiles: DataFrame, params: Any, implicit: bool) -> DataFrame:
    """Returns user (dense number in order of user_id), item, value: one row per pair."""
    users = profiles.where(F.size("items") > 0)
    nobody = users.select(USER_ID, F.lit(0).alias("user")).limit(0)
    index = new_index_rows(nobody, users, USER_ID, "user")
    pair = F.explode(F.arrays_zip("items", "strengths")).alias("pair")
    pairs = users.select(USER_ID, pair).join(index, USER_ID)
    value = F.col("pair.strengths")
    if implicit:
        pairs = pairs.where(value > 0)
        value = F.lit(1.0) if params.values == "binary" else value
    return pairs.select("user", F.col("pair.items").alias("item"), value.alias("value"))
