"""The n best items of users, in memory.

1. Score a block of users, all items (`Scorer.scores`).
2. Mask what may not be listed: blocked items, what the user has, what a rule forbids.
3. Select the n best; or as many as the re-ranker needs, and let it choose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.kernels.products import TILE
from sparkperso.recommend.kernels.top_n import top_n
from sparkperso.recommend.models.base import Scorer

ROWS = 256
"""Most users scored at a time."""
CELLS = 3_000_000
"""Scores of a block, as far as products of TILE rows allow: arrays of 12 MB are used again, of more
than 32 MB each one's pages come from the system anew, which takes as long as the work on them."""
MOST_CELLS = 12_800_000
"""Scores of a block at most, whatever the catalogue: 51 MB, and five such arrays at a time, as a
blend of models with a prior takes, 256 MB."""


class Rule(Protocol):
    """Which items may be shown to whom: one rule of eligibility."""

    def forbid(self, scores: Singles, users: Histories) -> None:
        """Sets the scores of items that a user must not be shown to -inf, in place."""


class ReRanker(Protocol):
    """Chooses lists from longer ones."""

    def reach(self, n: int) -> int:
        """Returns the length of the shortlist that a list of n is chosen from."""

    def choose(self, short: Lists, n: int) -> Lists:
        """Returns lists of n from shortlists, users in the same order."""

    def fill(self, own: Lists, extra: Lists) -> Lists:
        """Returns lists with their empty places filled from others, as far as they fit in."""


@dataclass(frozen=True)
class Selection:
    """How lists are selected from scores."""

    n: int
    """Length of a list."""
    allowed: npt.NDArray[np.bool_] | None = None
    """Items that may be listed at all; None: all."""
    with_seen: bool = False
    """Whether items that the user knows may be listed."""
    rules: tuple[Rule, ...] = field(default=())
    reranker: ReRanker | None = None
    """Chooses the lists from longer ones; None: the best n."""

    @property
    def reach(self) -> int:
        """How many of the best a list is chosen from."""
        return self.n if self.reranker is None else self.reranker.reach(self.n)


@dataclass(frozen=True)
class Lists:
    """Lists of users, one row each."""

    items: Ints
    """Users × n positions, best first; -1 where a list is shorter."""
    scores: Floats
    """Users × n; -inf where a list is shorter."""


@one_thread()
def best_items(model: Scorer, users: Histories, select: Selection) -> Lists:
    """Returns the best items of each user that the selection allows; ties go to the smaller item.

    Users × `select.n`, in the order of the users. The list of a user does not depend on the other
    users. On one thread of BLAS: tasks share the cores already.
    """
    lists = [choose_from(model.scores(block), block, select) for block in blocks_of(users)]
    if not lists:
        return Lists(np.zeros((0, select.n), np.int64), np.zeros((0, select.n)))
    items, scores = zip(*((own.items, own.scores) for own in lists), strict=True)
    return Lists(np.concatenate(items), np.concatenate(scores))


def choose_from(scores: Singles, users: Histories, select: Selection) -> Lists:
    """Returns the lists of a block, users × `select.n`, from its scores, which stay as they are."""
    short = select_from(mask(scores, users, select), select.reach)
    return short if select.reranker is None else select.reranker.choose(short, select.n)


def select_from(scores: Singles, n: int) -> Lists:
    """Returns the n largest finite scores of each row, falling; ties go to the smaller item.

    n may be larger than the catalogue: places that stay empty are -1, their score -inf.
    """
    reach = min(n, scores.shape[1])
    items = np.full((len(scores), n), -1, dtype=np.int64)
    values = np.full((len(scores), n), -np.inf)
    if reach:
        items[:, :reach], values[:, :reach] = top_n(scores, reach)
    return Lists(items, np.where(items >= 0, values, -np.inf))


def blocks_of(users: Histories) -> Iterator[Histories]:
    """Yields the users a block at a time, in order: ROWS of them, fewer for large catalogues."""
    size = rows_of_block(users.n_items)
    for start in range(0, len(users), size):
        yield users.take(slice(start, start + size))


def rows_of_block(n_items: int) -> int:
    """Returns how many users are scored at a time: multiples of TILE while memory allows.

    >>> [rows_of_block(n_items) for n_items in (100, 20_000, 40_000, 200_000, 500_000)]
    [256, 128, 64, 64, 25]
    """
    n_items = max(n_items, 1)
    rows = min(ROWS, max(TILE, CELLS // n_items // TILE * TILE))
    return max(1, min(rows, MOST_CELLS // n_items))


def mask(scores: Singles, users: Histories, select: Selection) -> Singles:
    """Returns the scores of a block (a copy), -inf where the selection allows no listing."""
    # A copy: some models give views of what they keep.
    scores = np.array(scores, dtype=np.float32)
    if select.allowed is not None:
        scores[:, ~select.allowed] = -np.inf
    if not select.with_seen:
        rows = np.repeat(np.arange(len(users)), np.diff(users.pairs.indptr))
        scores[rows, users.pairs.indices] = -np.inf
    for rule in select.rules:
        rule.forbid(scores, users)
    return scores
