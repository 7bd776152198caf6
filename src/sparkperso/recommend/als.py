"""Alternating least squares by Spark MLlib, fitted so that the order of rows does not show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, SCORE, STRENGTH, USER_ID
from sparkperso.config.recommend import AlsParams, ImplicitParams, PopularityParams
from sparkperso.recommend.model import FactorModel
from sparkperso.recommend.popularity import item_scores
from sparkperso.recommend.split import TrainingSet, latest_ratings


@dataclass(frozen=True)
class AlsSetting:
    """What all ALS candidates share."""

    user_index: DataFrame
    """gold/user_index."""
    item_index: DataFrame
    """gold/item_index."""
    weights: Mapping[str, float]
    """Weights per event type, for the trend."""
    seed: int
    num_blocks: int


@dataclass(frozen=True)
class ImplicitAls:
    """ALS on strengths as confidence (Hu, Koren and Volinsky 2008), with a trend as bias."""

    params: ImplicitParams
    setting: AlsSetting
    strategy: str = "als_implicit"

    @property
    def settings(self) -> dict[str, Any]:
        """Returns the candidate's settings."""
        return self.params.model_dump()

    def fit(self, training: TrainingSet) -> FactorModel:
        """Returns the factors of all users and items with a strength above 0.

        The bias of an item is trend_weight × its recent popularity, scaled to 0 … 1.
        """
        preferred = training.interactions.where(F.col(STRENGTH) > 0)
        model = fit_factors(preferred, STRENGTH, self.params, self.setting, implicit=True)
        if self.params.trend_weight == 0 or model.user_factors is None:
            return model
        items = model.item_factors.drop("bias").join(self._trend(training), ITEM_ID, how="left")
        bias = F.coalesce(F.col("trend") * self.params.trend_weight, F.lit(0.0))
        return FactorModel(items.select(ITEM_ID, "factors", bias.alias("bias")), model.user_factors)

    def _trend(self, training: TrainingSet) -> DataFrame:
        params = PopularityParams(half_life_days=self.params.trend_half_life_days)
        weights = dict(self.setting.weights)
        scores = item_scores(training.events, weights, params, training.as_of)
        largest = scores.agg(F.max(F.log1p(SCORE)).alias("largest"))
        share = F.round(F.log1p(SCORE) / F.col("largest"), 9)
        return scores.crossJoin(F.broadcast(largest)).select(ITEM_ID, share.alias("trend"))


@dataclass(frozen=True)
class ExplicitAls:
    """ALS on ratings (Koren, Bell and Volinsky 2009): predicts what a user would rate."""

    params: AlsParams
    setting: AlsSetting
    strategy: str = "als_explicit"

    @property
    def settings(self) -> dict[str, Any]:
        """Returns the candidate's settings; alpha is of no use here."""
        return self.params.model_dump(exclude={"alpha"})

    def fit(self, training: TrainingSet) -> FactorModel:
        """Returns the factors of all users and items with a rating; the latest rating counts."""
        ratings = latest_ratings(training.events)
        return fit_factors(ratings, "rating", self.params, self.setting, implicit=False)


def fit_factors(
    pairs: DataFrame, value: str, params: AlsParams, setting: AlsSetting, implicit: bool
) -> FactorModel:
    """Returns the factors that MLlib's ALS gives for (user_id, item_id, `value`), once per pair.

    Rows enter sorted, in as many partitions as there are blocks: sums inside a block then run in
    the same order whatever the order of arrival. With one block the result is exact to the bit.
    """
    als = ALS(
        rank=params.rank,
        maxIter=params.max_iter,
        regParam=params.reg_param,
        alpha=params.alpha,
        implicitPrefs=implicit,
        numUserBlocks=setting.num_blocks,
        numItemBlocks=setting.num_blocks,
        seed=setting.seed,
        userCol="user_index",
        itemCol="item_index",
        ratingCol="value",
        # Without a checkpoint folder an interval would be ignored; max_iter is bounded instead.
        checkpointInterval=-1,
    )
    rows = pairs.join(setting.user_index, USER_ID).join(setting.item_index, ITEM_ID)
    rows = rows.select("user_index", "item_index", F.col(value).cast("float").alias("value"))
    spread = rows.repartition(setting.num_blocks, "user_index")
    return _with_ids(als.fit(spread.sortWithinPartitions("user_index", "item_index")), setting)


def predict(model: FactorModel, pairs: DataFrame) -> DataFrame:
    """Returns `pairs` (user_id, item_id, …) with `prediction`, null where the model is cold."""
    assert model.user_factors is not None
    users = model.user_factors.select(USER_ID, F.col("factors").alias("user_factors"))
    items = model.item_factors.select(ITEM_ID, F.col("factors").alias("item_factors"), "bias")
    rows = pairs.join(users, USER_ID, how="left").join(items, ITEM_ID, how="left")
    product = dot_product(F.col("user_factors"), F.col("item_factors")) + F.col("bias")
    return rows.withColumn("prediction", product).drop("user_factors", "item_factors", "bias")


def dot_product(left: Column, right: Column) -> Column:
    """Returns the product of two arrays, summed in 64 bits in order of place."""
    products = F.zip_with(left, right, lambda a, b: a.cast("double") * b.cast("double"))
    return F.aggregate(products, F.lit(0.0), lambda total, product: total + product)


def _with_ids(model: ALSModel, setting: AlsSetting) -> FactorModel:
    users = model.userFactors.withColumnRenamed("id", "user_index")
    items = model.itemFactors.withColumnRenamed("id", "item_index")
    features = F.col("features").alias("factors")
    return FactorModel(
        items.join(setting.item_index, "item_index").select(
            ITEM_ID, features, F.lit(0.0).alias("bias")
        ),
        users.join(setting.user_index, "user_index").select(USER_ID, features),
    )
