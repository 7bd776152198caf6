"""The n best items of every user, by blocks: factors in, lists out, seen items left out.

Items are held in every task (their number is bounded); users come in blocks. A block is one
matrix product, so nothing like users × items is ever shuffled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.errors import JobError

if TYPE_CHECKING:
    from pyspark import Broadcast

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DECIMALS = 6
CELLS = 4_000_000
LISTS = f"{USER_ID} string, {RANK} int, {ITEM_ID} string, {SCORE} double, like string"


@dataclass(frozen=True)
class ItemBlock:
    """All items: ids in order, factors (items × rank) and a bias each."""

    ids: npt.NDArray[np.object_]
    factors: Floats
    bias: Floats

    def directions(self) -> Floats:
        """Returns the factors at length 1; a zero factor stays zero."""
        length = np.linalg.norm(self.factors, axis=1, keepdims=True)
        directions: Floats = self.factors / np.where(length > 0, length, 1.0)
        return directions


def load_items(item_factors: DataFrame, max_items: int) -> ItemBlock:
    """Returns item_id, factors, bias in memory. Raises JobError beyond `max_items` items."""
    rows = item_factors.select(ITEM_ID, "factors", "bias").limit(max_items + 1)
    table = rows.toArrow().sort_by(ITEM_ID)
    if table.num_rows > max_items:
        raise JobError(
            f"At most {max_items:,} items can be held in one process",
            "There are more",
            "Raise recommend.max_driver_items, and driver and executor memory with it",
        )
    factors = table.column("factors").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    rank = len(factors) // max(table.num_rows, 1)
    return ItemBlock(
        table.column(ITEM_ID).to_numpy().astype(object),
        factors.astype(np.float64).reshape(table.num_rows, rank),
        table.column("bias").to_numpy().astype(np.float64),
    )


def top_n(
    users: DataFrame, seen: DataFrame, items: ItemBlock, n: int, explain: bool = False
) -> DataFrame:
    """Returns the n best unseen items of each user: user_id, rank, item_id, score, like.

    `users` has user_id and factors (ignored where items have none), `seen` what `seen_lists` gives.
    score = user factors · item factors + bias, in 64 bits, rounded to 6 decimals; ties go to the
    smaller item_id. With `explain`, `like` is the seen item whose factors point most nearly the
    same way (largest cosine); else null. A user who has seen everything has no row.
    """
    blocks = users.select(USER_ID, "factors").join(seen, USER_ID, how="left")
    scorer = BlockScorer(users.sparkSession.sparkContext.broadcast(items), n, explain)
    return blocks.mapInPandas(scorer, LISTS)


def seen_lists(pairs: DataFrame) -> DataFrame:
    """Returns user_id, seen (array of item_id) of pairs (user_id, item_id)."""
    return pairs.groupBy(USER_ID).agg(F.collect_set(ITEM_ID).alias("seen"))


@dataclass(frozen=True)
class BlockScorer:
    """Scores blocks of users inside a Spark task."""

    items: Broadcast[ItemBlock]
    n: int
    explain: bool

    def __call__(self, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Returns the lists of each batch of (user_id, factors, seen)."""
        items = self.items.value
        places = {item: place for place, item in enumerate(items.ids)}
        size = max(1, CELLS // max(len(items.ids), 1))
        for batch in batches:
            for start in range(0, len(batch), size):
                block = batch.iloc[start : start + size]
                seen = [_places_of(known, places) for known in block["seen"]]
                yield score_block(block, seen, items, self.n, self.explain)


def score_block(
    users: pd.DataFrame, seen: list[Ints], items: ItemBlock, n: int, explain: bool
) -> pd.DataFrame:
    """Returns the lists of one block of users (columns user_id, factors).

    `seen` holds, per user, the growing positions in `items` of what the user has.
    """
    scores = np.round(_scores(users, items), DECIMALS) + 0.0  # + 0.0 makes -0.0 plain
    for row, positions in enumerate(seen):
        scores[row, positions] = -np.inf
    rows, columns, ranks = best_places(scores, n)
    like = _likes(rows, columns, seen, items) if explain else None
    return pd.DataFrame(
        {
            USER_ID: users[USER_ID].to_numpy()[rows],
            RANK: ranks.astype(np.int32),
            ITEM_ID: items.ids[columns],
            SCORE: scores[rows, columns],
            "like": like,
        }
    )


def best_places(scores: Floats, n: int) -> tuple[Ints, Ints, Ints]:
    """Returns (row, column, rank from 1) of the n largest finite scores of each row.

    Equal scores go to the smaller column.
    """
    n = min(n, scores.shape[1])
    if n == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    bar = -np.partition(-scores, n - 1, axis=1)[:, n - 1 : n]
    rows, columns = np.nonzero((scores >= bar) & np.isfinite(scores))
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    first = np.searchsorted(rows, rows)
    ranks = np.arange(len(rows)) - first + 1
    kept = ranks <= n
    return rows[kept], columns[kept], ranks[kept]


def _scores(users: pd.DataFrame, items: ItemBlock) -> Floats:
    if items.factors.shape[1] == 0 or users.empty:
        return np.tile(items.bias, (len(users), 1))
    factors = np.stack(users["factors"].to_list()).astype(np.float64)
    product: Floats = factors @ items.factors.T + items.bias
    return product


def _places_of(known: Any, places: dict[str, int]) -> Ints:
    """Returns the growing positions of the items that the block holds."""
    held = [] if known is None else [places[item] for item in known if item in places]
    return np.array(sorted(held), dtype=np.int64)


def _likes(rows: Ints, columns: Ints, seen: list[Ints], items: ItemBlock) -> list[str | None]:
    directions = items.directions()
    likes: list[str | None] = []
    for row in np.unique(rows):
        listed, known = columns[rows == row], seen[row]
        if len(known) == 0:
            likes += [None] * len(listed)
            continue
        cosines = np.round(directions[listed] @ directions[known].T, DECIMALS)
        likes += items.ids[known[cosines.argmax(axis=1)]].tolist()
    return likes
