"""The lists that are shown: every user's, and every item's neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.recommend.model import FactorModel
from sparkperso.recommend.popularity import GLOBAL
from sparkperso.recommend.scoring import ItemBlock, top_n


@dataclass(frozen=True)
class Named:
    """A fitted model under the names that its rows carry."""

    model: FactorModel
    strategy: str
    version: str


@dataclass(frozen=True)
class ListSize:
    """How long lists are, and how many items may be held in one process to make them."""

    n: int
    max_items: int


def build_lists(
    users: DataFrame,
    seen: DataFrame,
    champion: Named | None,
    popularity: Named,
    size: ListSize,
) -> DataFrame:
    """Returns user_id, rank, item_id, score, strategy, reason, model_version for every user.

    Users that the champion knows get its best items, the others (all, without a champion)
    popularity's. `seen` is what `scoring.seen_lists` gives: items not listed for that user.
    """
    if champion is None or champion.model.user_factors is None:
        return _lists(popularity, users, seen, size)
    strangers = users.join(champion.model.user_factors, USER_ID, how="left_anti")
    rows = _lists(champion, users, seen, size)
    return rows.unionByName(_lists(popularity, strangers, seen, size))


def similar_items(model: FactorModel, size: ListSize) -> DataFrame:
    """Returns gold/similar_items: item_id, rank, other_item_id, score (cosine of the factors).

    Scored in blocks as users are: every item asks for its nearest, itself left out.
    """
    items = model.items(size.max_items)
    directions = ItemBlock(items.ids, items.directions(), items.bias * 0)
    asking = model.item_factors.select(F.col(ITEM_ID).alias(USER_ID), unit("factors"))
    itself = asking.select(USER_ID, F.array(USER_ID).alias("seen"))
    rows = top_n(asking, itself, directions, size.n)
    return rows.select(
        F.col(USER_ID).alias(ITEM_ID), RANK, F.col(ITEM_ID).alias("other_item_id"), SCORE
    )


def unit(name: str) -> Column:
    """Returns an array column at length 1, in 64 bits; a zero array stays zero."""
    doubles = F.transform(name, lambda x: x.cast("double"))
    squares = F.aggregate(doubles, F.lit(0.0), lambda total, x: total + x * x)
    length = F.when(squares > 0, F.sqrt(squares)).otherwise(1.0)
    return F.transform(doubles, lambda x: x / length).alias(name)


def _lists(named: Named, users: DataFrame, seen: DataFrame, size: ListSize) -> DataFrame:
    own = named.model.user_factors is not None
    rows = named.model.recommend(users, seen, size.n, size.max_items, explain=own)
    alike = F.concat(F.lit("similar_to:"), F.col("like"))
    reason = F.coalesce(alike, F.lit(f"popular:{GLOBAL}"))
    return rows.select(
        USER_ID,
        RANK,
        ITEM_ID,
        SCORE,
        F.lit(named.strategy).alias("strategy"),
        reason.alias("reason"),
        F.lit(named.version).alias("model_version"),
    )
