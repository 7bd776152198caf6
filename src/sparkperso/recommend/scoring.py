"""The n best items of every user, by blocks: histories in, lists out, seen items left out.

A fitted model is item-sized and travels to every task; users come in blocks. A block is one matrix
product, so nothing like users × items is ever shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from sparkperso.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.recommend.catalogue import Catalogue
from sparkperso.recommend.diversity import fill
from sparkperso.recommend.histories import Floats, Histories, Ints, read_histories
from sparkperso.recommend.listing import Lists, Selection, best_items, blocks_of
from sparkperso.recommend.models.base import Explanation, Fitted, Scorer
from sparkperso.threads import one_thread

if TYPE_CHECKING:
    from pyspark import Broadcast

DECIMALS = 6
LISTS = (
    f"{USER_ID} string, {RANK} int, {ITEM_ID} string, {SCORE} double, strategy string, "
    "reason_item string, reason_share double"
)
INPUT = [USER_ID, "items", "strengths", "ages", "attributes"]


@dataclass(frozen=True)
class Lister:
    """What lists are made with."""

    model: Scorer
    strategy: str
    catalogue: Catalogue
    select: Selection
    fallback: Scorer | None = None
    """Fills lists that come out short, and those of users that the model cannot serve."""
    fallback_strategy: str = "popularity"
    fills: Literal["short", "cold"] = "short"
    """Whose lists the fallback fills: all short ones, or those of users without a history."""
    is_explained: bool = False
    """Whether to say which item of the history has the largest part in each score."""


def list_frame(profiles: DataFrame, lister: Lister) -> DataFrame:
    """Returns user_id, rank, item_id, score, strategy, reason_item, reason_share.

    Rounded to 6 decimals; ties go to the item with the smaller position. reason_item is the item of
    the user's history that adds most to the score, reason_share its part of all that adds to it;
    null without explanation, or where no item of the history adds anything.
    """
    held = profiles.sparkSession.sparkContext.broadcast(lister)
    return profiles.select(*INPUT).mapInArrow(_lists_of(held), LISTS)


def _lists_of(
    held: Broadcast[Lister],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def lists(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lister = held.value
        for batch in batches:
            table = pa.Table.from_batches([batch])
            users = read_histories(table, len(lister.catalogue))
            yield from make_lists(lister, users).to_batches()

    return lists


@one_thread()
def make_lists(lister: Lister, users: Histories) -> pa.Table:
    """Returns the lists of a block of users as LISTS says."""
    best = best_items(lister.model, users, lister.select)
    filled, is_own = _fill(lister, users, best)
    rows, places = np.nonzero(filled.items >= 0)
    items = filled.items[rows, places]
    reasons, shares = _reasons(lister, users, best) if lister.is_explained else (None, None)
    ids = lister.catalogue.ids
    strategies = np.where(is_own[rows, places], lister.strategy, lister.fallback_strategy)
    return pa.table(
        {
            USER_ID: pa.array(users.ids[rows], pa.string()),
            RANK: pa.array(places + 1, pa.int32()),
            ITEM_ID: pa.array(ids[items], pa.string()),
            SCORE: pa.array(np.round(filled.scores[rows, places], DECIMALS) + 0.0, pa.float64()),
            "strategy": pa.array(strategies.astype(object), pa.string()),
            "reason_item": _named(reasons, ids, rows, places),
            "reason_share": _shares(shares, rows, places),
        }
    )


def _fill(lister: Lister, users: Histories, best: Lists) -> tuple[Lists, np.ndarray]:
    """Returns the lists with their empty places filled by the fallback, and which are the model's.

    Filled places carry the fallback's own scores.
    """
    own = best.items >= 0
    needs = ~own.all(axis=1) & ((lister.fills == "short") | (users.lengths == 0))
    short = np.flatnonzero(needs)
    if lister.fallback is None or len(short) == 0:
        return best, own
    select = lister.select
    wider = replace(select, n=max(2 * select.n, select.reach), reranker=None)
    extra = best_items(lister.fallback, users.take(short), wider)
    mine = Lists(best.items[short], best.scores[short])
    full = fill(mine, extra) if select.reranker is None else select.reranker.fill(mine, extra)
    items, scores = best.items.copy(), best.scores.copy()
    items[short], scores[short] = full.items, full.scores
    return Lists(items, scores), own


def _reasons(lister: Lister, users: Histories, best: Lists) -> tuple[Ints, Floats]:
    """Returns, per user and place, the position of the item that adds most, and its share."""
    reasons = np.full(best.items.shape, -1, dtype=np.int64)
    shares = np.full(best.items.shape, np.nan)
    if not isinstance(lister.model, Fitted):
        raise TypeError(f"{lister.strategy} gives no reasons: is_explained is not for it")
    start = 0
    for block in blocks_of(users):
        explain = lister.model.explainer(block)
        for row in np.flatnonzero(block.lengths > 0).tolist():
            places = np.flatnonzero(best.items[start + row] >= 0)
            found = explain(row, best.items[start + row, places])
            items, share = _largest(found, block.liked(row))
            reasons[start + row, places], shares[start + row, places] = items, share
        start += len(block)
    return reasons, shares


def _largest(found: Explanation, liked: Ints) -> tuple[Ints, Floats]:
    """Returns, per item asked about, the liked item that adds most (-1: none), and its share.

    Of equal contributions the first; rounded, so that it is the same one everywhere. The share is
    of all that adds to the score: what takes away from it would make it more than the whole.
    """
    largest = np.round(found.contributions, DECIMALS).argmax(axis=0)
    added = found.contributions[largest, np.arange(len(largest))]
    total = np.maximum(found.base, 0) + np.maximum(found.contributions, 0).sum(axis=0)
    tells = added > 0
    share = np.divide(added, total, out=np.full(len(added), np.nan), where=tells)
    return np.where(tells, liked[largest], -1), share


def _named(reasons: Ints | None, ids: np.ndarray, rows: Ints, places: Ints) -> pa.Array:
    if reasons is None:
        return pa.nulls(len(rows), pa.string())
    found = reasons[rows, places]
    return pa.array([ids[item] if item >= 0 else None for item in found], pa.string())


def _shares(shares: Floats | None, rows: Ints, places: Ints) -> pa.Array:
    if shares is None:
        return pa.nulls(len(rows), pa.float64())
    found = np.round(shares[rows, places], DECIMALS)
    return pa.array(found, pa.float64(), from_pandas=True)
