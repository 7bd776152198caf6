"""A fold made ready for judging many models on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.criterion import Criterion
from sparkperso.core.columns import ITEM_ID, STRENGTH, USER_ID
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import empty_array
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.data.folds import Fold
from sparkperso.recommend.data.user_histories import Attributes, n_history, profile_frame

Metrics = dict[str, float]
SAMPLED = 10_000
"""Users are hashed into so many places, a share of which is a sample: the same wherever drawn."""


@dataclass(frozen=True)
class PreparedFold:
    """A fold, its users as models take them, and the sizes that metrics are relative to."""

    fold: Fold
    criterion: Criterion
    """What models are judged by."""
    profiles: DataFrame
    """Profile columns, relevant (positions of relevant items), n_relevant (all of them)."""
    item_users: DataFrame
    """item_id, n_users: users who had the item in training."""
    allowed: npt.NDArray[np.bool_]
    """Items with an event in training: what may be listed, and what coverage is a share of."""
    n_train_users: int
    """Users with an interaction in training."""

    @property
    def k(self) -> int:
        """Length of the lists that are judged."""
        return self.criterion.k

    @property
    def n_items(self) -> int:
        """Size of the catalogue at the cut."""
        return int(self.allowed.sum())

    def sampled(self, share: float) -> PreparedFold:
        """Returns the fold with a share of its users, the same for every fold and fit.

        Items keep their places, and what may be listed stays.
        """
        place = F.pmod(F.xxhash64(USER_ID), F.lit(SAMPLED))
        profiles = self.profiles.where(place < share * SAMPLED)
        return replace(self, profiles=profiles) if share < 1 else self

    @property
    def judged_users(self) -> DataFrame:
        """user_id, n_history: one row per user with a history and a relevant item."""
        judged = self.profiles.where((F.col("n_relevant") > 0) & (F.size("items") > 0))
        return judged.select(USER_ID, n_history())

    @property
    def n_judged_users(self) -> int:
        """Users with a history and a relevant item."""
        return self.judged_users.count()


def prepare_fold(
    fold: Fold,
    criterion: Criterion,
    catalogue: Catalogue,
    item_index: DataFrame,
    attributes: Attributes,
) -> PreparedFold:
    """Returns the fold made ready; what every model needs is kept until the open `Keeper` ends.

    `profiles` has one row per user with a history or a relevant item: cold users with relevant
    items are judged too, the cold-start stage, where nothing is known but attributes.
    `criterion` is what to judge by, `item_index` has item_id and item_index.
    """
    pairs = fold.training.interactions
    profiles = profile_frame(pairs, item_index, attributes, fold.training.as_of)
    joined = profiles.join(_relevant(fold, item_index), USER_ID, how="full")
    # Others only declare something: nothing is learned of them, nor judged by them.
    has_part = (F.size("items") > 0) | (F.col("n_relevant") > 0)
    nothing = {"items": "int", "strengths": "float", "ages": "float", "attributes": "string"}
    filled = joined.withColumns(
        {name: F.coalesce(name, empty_array(kind)) for name, kind in nothing.items()}
    )
    kept = keep_cached(filled.where(has_part))
    item_users = pairs.where(F.col(STRENGTH) > 0).groupBy(ITEM_ID)
    counted = keep_cached(item_users.agg(F.count(F.lit(1)).alias("n_users")))
    users = kept.where(F.size("items") > 0).count()
    return PreparedFold(
        fold, criterion, kept, counted, _allowed(fold, item_index, catalogue), users
    )


def _relevant(fold: Fold, item_index: DataFrame) -> DataFrame:
    """Returns user_id, relevant (growing positions), n_relevant (those without position too)."""
    numbered = fold.relevant.unionByName(fold.cold_relevant).join(item_index, ITEM_ID, how="left")
    places = F.array_sort(F.collect_list("item_index")).alias("relevant")
    return numbered.groupBy(USER_ID).agg(places, F.count(F.lit(1)).alias("n_relevant"))


def _allowed(fold: Fold, item_index: DataFrame, catalogue: Catalogue) -> npt.NDArray[np.bool_]:
    seen = fold.training.items.join(item_index, ITEM_ID)
    places = seen.select("item_index").toArrow().column(0).to_numpy()
    allowed = np.zeros(len(catalogue), dtype=bool)
    allowed[places] = True
    return allowed
