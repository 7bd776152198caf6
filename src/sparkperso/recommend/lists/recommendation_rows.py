"""The lists that are shown to every user, and the factors that similar items are found by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.core.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.platform.driver_rows import arrow_frame
from sparkperso.platform.frames import keep_broadcast
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import read_histories
from sparkperso.recommend.lists.batch_scoring import INPUT
from sparkperso.recommend.models.als import AlsModel
from sparkperso.recommend.models.base import Fitted
from sparkperso.recommend.scoring.lister import Lister


@dataclass(frozen=True)
class ChampionModel:
    """A fitted model under the names that its rows carry."""

    model: Fitted
    strategy: str
    version: str


def build_lists(lists: DataFrame, lister: Lister, version: str) -> DataFrame:
    """Returns user_id, rank, item_id, score, strategy, reason, model_version of listed items.

    One row per (user_id, rank). reason is `because:<item of the history>:<percent of what adds to
    the score>`, or what the score comes from where no item of the history adds to it:
    `popular:<scope>`, the scope being that of the popularity that gave it, or `profile`. `lists`
    are what `lister` gives, explained; model_version is `version`, or the fallback's strategy.
    """
    percent = F.round(F.col("reason_share") * 100).cast("int").cast("string")
    because = F.concat(F.lit("because:"), "reason_item", F.lit(":"), percent)
    is_own = F.col("strategy") == lister.strategy
    return lists.select(
        USER_ID,
        RANK,
        ITEM_ID,
        SCORE,
        "strategy",
        F.coalesce(because, "basis").alias("reason"),
        F.when(is_own, F.lit(version))
        .otherwise(F.lit(lister.fallback_strategy))
        .alias("model_version"),
    )


def item_factor_frame(spark: SparkSession, model: AlsModel, catalogue: Catalogue) -> DataFrame:
    """Returns item_id, factors (array<float> of `rank`): one row per item that has any."""
    known = np.flatnonzero(model.item_factors.any(axis=1))
    rows = pa.table(
        {
            ITEM_ID: pa.array(catalogue.ids[known], pa.string()),
            "factors": pa.array(list(model.item_factors[known]), pa.list_(pa.float32())),
        }
    )
    return arrow_frame(spark, rows)


def user_factor_frame(profiles: DataFrame, model: AlsModel) -> DataFrame:
    """Returns user_id, factors of the users with a history: folded in, block by block.

    One row per user with a pair above 0; factors are array<float> of `rank`.
    """
    held = keep_broadcast(profiles.sparkSession, model)

    def fold(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            users = read_histories(pa.Table.from_batches([batch]), len(held.value.item_factors))
            factors = held.value.user_factors(users)
            columns: list[Any] = [
                pa.array(users.ids, pa.string()),
                pa.array(list(factors), pa.list_(pa.float32())),
            ]
            yield pa.RecordBatch.from_arrays(columns, names=[USER_ID, "factors"])

    # Of dislikes alone no factors follow: they would be zeros.
    liked = F.exists("strengths", lambda s: s > 0)
    schema = f"{USER_ID} string, factors array<float>"
    return profiles.where(liked).select(*INPUT).mapInArrow(fold, schema)
