"""The n best items of users in memory: histories in, lists out, seen items left out.

Per block of users:
1. The model scores it, once (`models.base.scored`), and its best items are listed.
2. The fallback fills lists that came out short (`_fill`).
3. Each listed item gets its reason: the item of the history that adds most to its score, or what
   else does (`_explain`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from sparkperso.core.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories, read_histories
from sparkperso.recommend.arrays.numbers import Floats, Ints
from sparkperso.recommend.kernels.reason_parts import largest_parts
from sparkperso.recommend.models.base import Explainer, Explanation, Fitted, Scorer, scored
from sparkperso.recommend.scoring.diversity import fill
from sparkperso.recommend.scoring.top_n import (
    Lists,
    Selection,
    best_items,
    blocks_of,
    choose_from,
)

DECIMALS = 6
UNNAMED = "model"
"""The basis of a score to which nothing that has a name adds."""


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
    """Whether to say which item of the history has the largest part in each score, and what it
    comes from where none has: model and fallback must be fitted models then."""


def list_table(profiles: pa.Table, lister: Lister, threads: int = 1) -> pa.Table:
    """Returns the lists of profiles in memory, in order of user_id, then rank (`make_lists`)."""
    return make_lists(lister, read_histories(profiles, len(lister.catalogue)), threads)


@one_thread()
def make_lists(lister: Lister, users: Histories, threads: int = 1) -> pa.Table:
    """Returns user_id, rank, item_id, score, strategy, reason_item, reason_share, basis.

    One row per place, users in their order, ranks from 1. Scores are rounded to 6 decimals; ties go
    to the item with the smaller position. reason_item is the item of the user's history that adds
    most to the score, reason_share its share (0 to 1) of all that adds to it. Where no item of the
    history adds anything, both are null, and basis names what adds most (`popular:<scope>`,
    `profile`), or is `model` where nothing that has a name does. All three are null without
    explanation. Blocks of users are listed on so many `threads`, on which nothing depends. Raises
    TypeError where lists are to be explained by something that is no fitted model.
    """

    def table_of(block: Histories) -> pa.Table:
        return _as_table(lister, block, *_listed(lister, block))

    if threads <= 1:
        tables = [table_of(block) for block in blocks_of(users)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            tables = list(pool.map(table_of, blocks_of(users)))
    # Without users there are no blocks, and the schema is wanted all the same.
    return pa.concat_tables(tables or [table_of(users)]).combine_chunks()


@dataclass(frozen=True)
class Reasons:
    """Why users × places are listed."""

    items: Ints
    """Position of the item of the history that adds most; -1: none adds anything."""
    shares: Floats
    """Its part of all that adds to the score; NaN without one."""
    basis: np.ndarray
    """What adds most where no item of the history does; None beside an item."""

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Reasons:
        """Returns places of which nothing is said."""
        return cls(np.full(shape, -1), np.full(shape, np.nan), np.full(shape, None, dtype=object))


def _listed(lister: Lister, block: Histories) -> tuple[Lists, np.ndarray, Reasons | None]:
    """Returns the lists of a block, which places are the model's own, and the reasons if wanted."""
    if not lister.is_explained:
        best = choose_from(lister.model.scores(block), block, lister.select)
        return *_fill(lister, block, best), None
    own_scored = scored(_fitted(lister.model, lister), block)
    best = choose_from(own_scored.scores, block, lister.select)
    filled, is_own = _fill(lister, block, best)
    why = Reasons.none(filled.items.shape)
    listed = filled.items >= 0
    _explain(own_scored.explain, block, filled.items, listed & is_own, why)
    if (listed & ~is_own).any():
        # Of places that the fallback filled, the reason is the fallback's.
        explain = _fitted(lister.fallback, lister).explainer(block)
        _explain(explain, block, filled.items, listed & ~is_own, why)
    return filled, is_own, why


def _fitted(model: Scorer | None, lister: Lister) -> Fitted:
    """Returns the model; raises TypeError where it is no fitted one, which alone can explain."""
    if not isinstance(model, Fitted):
        raise TypeError(f"{lister.strategy} gives no reasons: is_explained is not for it")
    return model


def _as_table(
    lister: Lister, users: Histories, lists: Lists, is_own: np.ndarray, why: Reasons | None
) -> pa.Table:
    rows, places = np.nonzero(lists.items >= 0)
    ids = lister.catalogue.ids
    strategies = np.where(is_own[rows, places], lister.strategy, lister.fallback_strategy)
    return pa.table(
        {
            USER_ID: pa.array(users.ids[rows], pa.string()),
            RANK: pa.array(places + 1, pa.int32()),
            ITEM_ID: pa.array(ids[lists.items[rows, places]], pa.string()),
            SCORE: pa.array(np.round(lists.scores[rows, places], DECIMALS) + 0.0, pa.float64()),
            "strategy": pa.array(strategies.astype(object), pa.string()),
            **_columns(why, ids, rows, places),
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
    # Twice as many: n of them may stand in the list already.
    wider = replace(select, n=max(2 * select.n, select.reach), reranker=None)
    extra = best_items(lister.fallback, users.take(short), wider)
    head = Lists(best.items[short], best.scores[short])
    full = fill(head, extra) if select.reranker is None else select.reranker.fill(head, extra)
    items, scores = best.items.copy(), best.scores.copy()
    items[short], scores[short] = full.items, full.scores
    return Lists(items, scores), own


def _explain(
    explain: Explainer, block: Histories, items: Ints, places: np.ndarray, why: Reasons
) -> None:
    """Fills in the reasons of some places of a block of users."""
    for row in np.flatnonzero(places.any(axis=1)).tolist():
        at = np.flatnonzero(places[row])
        explanation = explain(row, items[row, at])
        largest, shares = _largest(explanation, block.liked(row))
        why.items[row, at], why.shares[row, at] = largest, shares
        bare = largest < 0
        if bare.any():
            why.basis[row, at[bare]] = _basis(explanation)[bare]


def _largest(explanation: Explanation, liked: Ints) -> tuple[Ints, Floats]:
    """Returns, per explained item, the liked item that adds most (-1: none), and its share.

    Of equal contributions the first; rounded, so that it is the same one everywhere. The share is
    of all that adds to the score: what takes away from it would make it more than the whole.
    """
    contributions = np.ascontiguousarray(explanation.contributions, dtype=np.float64)
    n = contributions.shape[1]
    if not len(liked):
        return np.full(n, -1), np.full(n, np.nan)
    places, shares = np.empty(n, dtype=np.int64), np.empty(n)
    largest_parts(contributions, np.asarray(explanation.base, np.float64), places, shares)
    return np.where(places >= 0, liked[places], -1), shares


def _basis(explanation: Explanation) -> np.ndarray:
    """Returns, per item, the name of what adds most to its score; of equal ones the first."""
    names = np.array([*explanation.named, UNNAMED], dtype=object)
    nothing = np.zeros(explanation.contributions.shape[1])
    # Finer than shares: popularity's scores are shares of all pairs, hence small.
    parts = np.round([*explanation.named.values(), nothing], DECIMALS + 6)
    largest = parts.argmax(axis=0)
    return np.where(parts.max(axis=0) > 0, names[largest], UNNAMED)


def _columns(why: Reasons | None, ids: np.ndarray, rows: Ints, places: Ints) -> dict[str, pa.Array]:
    """Returns reason_item, reason_share and basis of the listed places."""
    n, text = len(rows), pa.string()
    if why is None:
        return {
            "reason_item": pa.nulls(n, text),
            "reason_share": pa.nulls(n, pa.float64()),
            "basis": pa.nulls(n, text),
        }
    items = [ids[item] if item >= 0 else None for item in why.items[rows, places]]
    shares = np.round(why.shares[rows, places], DECIMALS)
    return {
        "reason_item": pa.array(items, text),
        "reason_share": pa.array(shares, pa.float64(), from_pandas=True),
        "basis": pa.array(why.basis[rows, places], text),
    }
