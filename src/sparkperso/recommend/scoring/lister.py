"""The n best items of users in memory: histories in, lists out, seen items left out.

Per block of users:
1. The model's best items (`scoring.top_n.best_items`).
2. The fallback fills lists that came out short (`_fill`).
3. Each listed item gets its reason: the item of the history that adds most to its score, or what
   else does (`_reasons`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from sparkperso.core.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Floats, Histories, Ints, read_histories
from sparkperso.recommend.models.base import Explanation, Fitted, Scorer
from sparkperso.recommend.scoring.diversity import fill
from sparkperso.recommend.scoring.top_n import Lists, Selection, best_items, blocks_of

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


def list_table(profiles: pa.Table, lister: Lister) -> pa.Table:
    """Returns the lists of profiles in memory, in order of user_id, then rank (`make_lists`)."""
    return make_lists(lister, read_histories(profiles, len(lister.catalogue)))


@one_thread()
def make_lists(lister: Lister, users: Histories) -> pa.Table:
    """Returns user_id, rank, item_id, score, strategy, reason_item, reason_share, basis.

    One row per place, users in their order, ranks from 1. Scores are rounded to 6 decimals; ties go
    to the item with the smaller position. reason_item is the item of the user's history that adds
    most to the score, reason_share its share (0 to 1) of all that adds to it. Where no item of the
    history adds anything, both are null, and basis names what adds most (`popular:<scope>`,
    `profile`), or is `model` where nothing that has a name does. All three are null without
    explanation. Raises TypeError where lists are to be explained by something that is no fitted
    model.
    """
    best = best_items(lister.model, users, lister.select)
    # Of places that the fallback filled, strategy and reason are the fallback's.
    filled, is_own = _fill(lister, users, best)
    rows, places = np.nonzero(filled.items >= 0)
    items = filled.items[rows, places]
    why = _reasons(lister, users, filled, is_own) if lister.is_explained else None
    ids = lister.catalogue.ids
    strategies = np.where(is_own[rows, places], lister.strategy, lister.fallback_strategy)
    return pa.table(
        {
            USER_ID: pa.array(users.ids[rows], pa.string()),
            RANK: pa.array(places + 1, pa.int32()),
            ITEM_ID: pa.array(ids[items], pa.string()),
            SCORE: pa.array(np.round(filled.scores[rows, places], DECIMALS) + 0.0, pa.float64()),
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


@dataclass(frozen=True)
class Reasons:
    """Why users × places are listed."""

    items: Ints
    """Position of the item of the history that adds most; -1: none adds anything."""
    shares: Floats
    """Its part of all that adds to the score; NaN without one."""
    basis: np.ndarray
    """What adds most where no item of the history does; None beside an item."""


def _reasons(lister: Lister, users: Histories, lists: Lists, is_own: np.ndarray) -> Reasons:
    """Returns the reasons of the model's own places, and of those that the fallback filled.

    Raises TypeError where one of them is no fitted model, which alone can explain.
    """
    shape = lists.items.shape
    why = Reasons(np.full(shape, -1), np.full(shape, np.nan), np.full(shape, None, dtype=object))
    listed = lists.items >= 0
    for model, places in ((lister.model, listed & is_own), (lister.fallback, listed & ~is_own)):
        if places.any() and not isinstance(model, Fitted):
            raise TypeError(f"{lister.strategy} gives no reasons: is_explained is not for it")
        start = 0
        for block in blocks_of(users):
            part = slice(start, start + len(block))
            if isinstance(model, Fitted) and places[part].any():
                # Views: what is filled in here stands in the whole.
                own = Reasons(why.items[part], why.shares[part], why.basis[part])
                _explain(model, block, lists.items[part], places[part], own)
            start += len(block)
    return why


def _explain(
    model: Fitted, block: Histories, items: Ints, places: np.ndarray, why: Reasons
) -> None:
    """Fills in the reasons of some places of a block of users."""
    explain = model.explainer(block)
    for row in np.flatnonzero(places.any(axis=1)).tolist():
        at = np.flatnonzero(places[row])
        explanation = explain(row, items[row, at])
        why.items[row, at], why.shares[row, at] = _largest(explanation, block.liked(row))
        bare = why.items[row, at] < 0
        why.basis[row, at[bare]] = _basis(explanation)[bare]


def _largest(explanation: Explanation, liked: Ints) -> tuple[Ints, Floats]:
    """Returns, per explained item, the liked item that adds most (-1: none), and its share.

    Of equal contributions the first; rounded, so that it is the same one everywhere. The share is
    of all that adds to the score: what takes away from it would make it more than the whole.
    """
    contributions = explanation.contributions
    n = contributions.shape[1]
    if not len(liked):
        return np.full(n, -1), np.full(n, np.nan)
    largest = np.round(contributions, DECIMALS).argmax(axis=0)
    added = contributions[largest, np.arange(n)]
    total = np.maximum(explanation.base, 0) + np.maximum(contributions, 0).sum(axis=0)
    adds = added > 0
    share = np.divide(added, total, out=np.full(n, np.nan), where=adds)
    return np.where(adds, liked[largest], -1), share


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
