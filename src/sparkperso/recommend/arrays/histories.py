"""What users did and what is known of them, in memory: the one input of all models.

A block of users is a sparse matrix, users × items, items by position in the catalogue. Models are
fitted on the block of all training users (inside one task), and score blocks of any users.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from sparkperso.recommend.arrays.numbers import Ints, Singles, Texts

if TYPE_CHECKING:
    import pyarrow as pa

BUCKETS = {"0": 0, "1-4": 1, "5-19": 5, "20+": 20}
"""Names of the buckets of history lengths, and where each begins."""


@dataclass(frozen=True)
class Histories:
    """Users in order of their rows; pairs of a user in growing order of item."""

    ids: Texts
    """user_id of each row."""
    pairs: csr_matrix
    """Strength per (user, item), float32; an explicit 0 is known to the user, but no preference."""
    ages: Singles
    """Days since the pair was last touched, in the order of the pairs."""
    attributes: tuple[tuple[str, ...], ...]
    """Per user, what is known of them as `name=value`."""

    def __len__(self) -> int:
        """Returns the number of users."""
        return int(self.pairs.shape[0])

    @property
    def n_items(self) -> int:
        """Returns the number of items of the catalogue, liked or not."""
        return int(self.pairs.shape[1])

    @cached_property
    def likes(self) -> csr_matrix:
        """The pairs with a preference (a strength above 0), as 1: users × items, float32."""
        return self._preferred(np.ones(self.pairs.nnz, dtype=np.float32))

    @cached_property
    def strengths(self) -> csr_matrix:
        """The pairs with a preference, as their strength: users × items, float32."""
        return self._preferred(self.pairs.data)

    @cached_property
    def lengths(self) -> Ints:
        """Number of preferred items per user (users,)."""
        lengths: Ints = np.diff(self.likes.indptr).astype(np.int64)
        return lengths

    @cached_property
    def buckets(self) -> Ints:
        """Position in BUCKETS of each user's length of history (users,)."""
        starts = list(BUCKETS.values())
        places: Ints = np.searchsorted(starts, self.lengths, side="right") - 1
        return places

    @property
    def item_gram(self) -> Singles:
        """Users who like both of two items: items × items, dense, float32 (exact up to 2²⁴).

        Worked out anew each time: it may be gigabytes, and who asked decides how long it lives.
        """
        gram: Singles = (self.likes.T @ self.likes).toarray()
        return gram

    @cached_property
    def training(self) -> Histories:
        """The users that models learn from: those with a history, be it of dislikes only."""
        return self.take(np.flatnonzero(np.diff(self.pairs.indptr) > 0))

    def latest(self, n: int) -> Histories:
        """Returns all users with the n items that each touched last; itself where none has more.

        Of items touched at the same time those with smaller positions.
        """
        lengths = np.diff(self.pairs.indptr)
        if not (lengths > n).any():
            return self
        rows = np.repeat(np.arange(len(self)), lengths)
        order = np.lexsort((self.pairs.indices, self.ages, rows))
        place = np.arange(len(rows)) - np.repeat(self.pairs.indptr[:-1], lengths)
        is_kept = np.zeros(len(rows), dtype=bool)
        is_kept[order[place < n]] = True
        indptr = np.concatenate([[0], np.cumsum(is_kept)])[self.pairs.indptr]
        parts = (self.pairs.data[is_kept], self.pairs.indices[is_kept], indptr)
        pairs = csr_matrix(parts, shape=self.pairs.shape)
        return Histories(self.ids, pairs, self.ages[is_kept], self.attributes)

    def liked(self, row: int) -> Ints:
        """Returns the preferred items of one user, in growing order."""
        likes = self.likes
        items: Ints = likes.indices[likes.indptr[row] : likes.indptr[row + 1]]
        return items

    def aged(self, weights: Singles) -> csr_matrix:
        """Returns the preferred pairs with these weights, one per pair of `pairs`.

        A weight of 0 stays an explicit 0.
        """
        return self._preferred(weights)

    def values(self, kind: str) -> csr_matrix:
        """Returns `likes` for 'binary', `strengths` for 'strength'."""
        return self.likes if kind == "binary" else self.strengths

    def take(self, rows: Ints | slice) -> Histories:
        """Returns some of the users, in the order of `rows`, over the same items."""
        places = np.arange(len(self))[rows]
        taken = self.pairs[places]
        starts, ends = self.pairs.indptr[places], self.pairs.indptr[places + 1]
        runs = [np.arange(s, e) for s, e in zip(starts, ends, strict=True)]
        at = np.concatenate([np.zeros(0, dtype=np.int64), *runs])
        attributes = tuple(self.attributes[place] for place in places)
        return Histories(self.ids[places], taken, self.ages[at.astype(np.int64)], attributes)

    def _preferred(self, data: Singles) -> csr_matrix:
        is_liked = self.pairs.data > 0
        indptr = np.concatenate([[0], np.cumsum(is_liked)])[self.pairs.indptr]
        parts = (data[is_liked], self.pairs.indices[is_liked], indptr)
        return csr_matrix(parts, shape=self.pairs.shape)


def read_histories(table: pa.Table, n_items: int) -> Histories:
    """Returns a block of rows (user_id, items, strengths, ages, attributes), in order of user_id.

    The lists of a row are of one length, items growing positions below `n_items`; a user without
    history has empty lists. Sorted here, so that a block does not depend on how Spark spread it.
    """
    table = table.sort_by("user_id")
    indptr, items = flat(table, "items", np.int32)
    pairs = (flat(table, "strengths", np.float32)[1], items, indptr)
    attributes = tuple(tuple(tokens or ()) for tokens in table.column("attributes").to_pylist())
    return Histories(
        np.asarray(table.column("user_id").to_pylist(), dtype=object),
        csr_matrix(pairs, shape=(table.num_rows, n_items)),
        flat(table, "ages", np.float32)[1],
        attributes,
    )


def flat(table: pa.Table, name: str, kind: Any) -> tuple[Ints, npt.NDArray[Any]]:
    """Returns a list column as (indptr, values), as CSR has it; null lists are empty."""
    column = table.column(name).combine_chunks()
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return indptr, column.flatten().to_numpy(zero_copy_only=False).astype(kind)
