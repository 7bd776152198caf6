"""What every recommender is: fitted on a training set, it scores by factors and a bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import USER_ID
from sparkperso.recommend.scoring import ItemBlock, load_items, top_n
from sparkperso.recommend.split import TrainingSet


@dataclass(frozen=True)
class FactorModel:
    """A fitted model: score = user factors · item factors + item bias."""

    item_factors: DataFrame
    """item_id, factors array<float>, bias double."""
    user_factors: DataFrame | None = None
    """user_id, factors array<float>; None when all users are alike."""

    def items(self, max_items: int) -> ItemBlock:
        """Returns the items in memory; raises JobError beyond `max_items`."""
        return load_items(self.item_factors, max_items)

    def recommend(
        self, users: DataFrame, seen: DataFrame, n: int, max_items: int, explain: bool = False
    ) -> DataFrame:
        """Returns the n best unseen items of those `users` (user_id) that the model knows.

        `seen` is what `scoring.seen_lists` gives. Columns as `scoring.top_n` says.
        """
        known = users.select(USER_ID).distinct()
        if self.user_factors is None:
            known = known.withColumn("factors", no_factors())
        else:
            known = known.join(self.user_factors, USER_ID)
        return top_n(known, seen, self.items(max_items), n, explain)


def no_factors() -> Column:
    """Returns the factors of a model that has none."""
    return F.array().cast("array<float>")


class Recommender(Protocol):
    """A model that can be fitted; one class per model, its settings given to the constructor."""

    @property
    def strategy(self) -> str:
        """Name of the model, as it stands in gold/recommendations."""

    @property
    def settings(self) -> dict[str, Any]:
        """What to log as its parameters."""

    def fit(self, training: TrainingSet) -> FactorModel:
        """Returns the model that `training` teaches; the same for the same rows in any order."""
