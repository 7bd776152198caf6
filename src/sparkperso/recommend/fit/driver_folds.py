"""All folds in the driver's memory, from one collection of the pairs: what tasks get from frames.

`FoldSet.pairs` comes here as it stands, one row per (user, item) with all cuts beside each other.
What `prepared_fold.prepare_fold` does by joins and groups numpy does then, with the same rows to
the digit. So a small training takes one Spark job for its folds, not several per fold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import Criterion
from sparkperso.core.columns import ITEM_ID, STRENGTH, USER_ID
from sparkperso.platform.literals import micros
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Ints, Singles
from sparkperso.recommend.data.folds import Fold, FoldSet
from sparkperso.recommend.data.interactions import MICROS_PER_DAY
from sparkperso.recommend.data.prepared_fold import SAMPLED
from sparkperso.recommend.fit.trial import FoldInMemory
from sparkperso.recommend.models.als import AlsModel
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth

HASH = "user_hash"
"""Spark's hash of the user, from which a group of the bootstrap follows."""
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DriverFold:
    """A fold made ready for judging models on it, in this process; `PreparedFold` in memory."""

    fold: Fold
    in_memory: FoldInMemory
    hashes: Ints
    """xxhash64 of each user of `in_memory`."""

    @property
    def allowed(self) -> Flags:
        """Items with an event in training: what may be listed, and what coverage is a share of."""
        return self.in_memory.allowed

    @property
    def criterion(self) -> Criterion:
        """What models are judged by."""
        return self.in_memory.criterion

    @property
    def k(self) -> int:
        """Length of the lists that are judged."""
        return self.criterion.k

    @property
    def n_items(self) -> int:
        """Size of the catalogue at the cut."""
        return self.in_memory.n_items

    @property
    def n_judged_users(self) -> int:
        """Number of users with a history and a relevant item."""
        has_history = np.diff(self.in_memory.users.pairs.indptr) > 0
        return int((has_history & (self.in_memory.truth.counts > 0)).sum())

    def sampled(self, share: float) -> DriverFold:
        """Returns the fold with a share of its users, those of `PreparedFold.sampled`."""
        if share >= 1:
            return self
        rows = np.flatnonzero(np.mod(self.hashes, SAMPLED) < share * SAMPLED)
        held = self.in_memory
        few = replace(held, users=held.users.take(rows), truth=held.truth.take(rows))
        return replace(self, in_memory=few, hashes=self.hashes[rows])


def read_folds(
    cuts: FoldSet, criterion: Criterion, catalogue: Catalogue, known: pa.Table
) -> tuple[list[DriverFold], bool]:
    """Returns all folds made ready, and whether any item is rated.

    In the order of their cuts, the test last. A fold is what `prepare_fold` gives, in memory.
    `known` is user_histories.attributes_at_times of the folds' cuts. All pairs come to the driver,
    in one Spark job.
    """
    collected = _collected(cuts)
    seen, first_at = _places(collected, catalogue), collected.column("first_at").to_numpy()
    table = collected.filter(collected.column(USER_ID).is_valid())
    pairs = Pairs.of(table, known, catalogue)
    prepared_folds = []
    for number, (cut, _) in enumerate(cuts.spans):
        strengths, last_at = table.column(f"strength_{number}"), table.column(f"last_at_{number}")
        is_known = last_at.is_valid().to_numpy()
        is_next = table.column(f"is_answer_{number}").to_numpy()
        # Relevant is what is new to a user; the share of cold users goes by all that came next.
        is_relevant = is_next & ~is_known
        active = pairs.users_of(is_next)
        cold = np.mean(~pairs.users_of(is_known)[active]) if active.any() else 0.0
        rows = pairs.users_of(is_known & pairs.is_placed) | pairs.users_of(is_relevant)
        counts = np.bincount(pairs.users[is_relevant], minlength=len(pairs.ids))
        truth = GroundTruth(pairs.matrix(is_relevant, None, rows), counts[rows].astype(np.int64))
        allowed = np.zeros(len(catalogue), dtype=bool)
        allowed[seen[(seen >= 0) & (first_at <= micros(cut))]] = True
        histories = pairs.histories(is_known, (strengths, last_at), rows, (cut, number))
        prepared_folds.append(
            DriverFold(
                cuts.fold(number, round(float(cold), 6)),
                FoldInMemory(histories, truth, allowed, criterion),
                pairs.hashes[rows],
            )
        )
    return prepared_folds, bool(pc.any(table.column("is_rated")).as_py())


def read_everybody(
    interactions: pa.Table, catalogue: Catalogue, known: pa.Table, as_of: tuple[datetime, int]
) -> Histories:
    """Returns the histories of all users with interactions (`PAIRS`), as of a time.

    `known` is user_histories.attributes_at_times, `as_of` a time and its place among those.
    """
    pairs = Pairs.of(interactions, known, catalogue)
    every, rows = np.ones(len(pairs.items), dtype=bool), np.ones(len(pairs.ids), dtype=bool)
    values = (interactions.column(STRENGTH), interactions.column("last_at"))
    return pairs.histories(every, values, rows, as_of)


def read_interactions(interactions: DataFrame) -> pa.Table:
    """Returns user_id, item_id, strength, last_at of gold/interactions: one row per pair.

    last_at is in microseconds since 1970 (UTC).
    """
    return interactions.select(USER_ID, ITEM_ID, STRENGTH, _micros("last_at")).toArrow()


def user_factor_table(users: Histories, model: AlsModel) -> pa.Table:
    """Returns what recommendation_rows.user_factor_frame does: user_id, factors (float32).

    One row per user with a pair above 0.
    """
    users = users.take(np.flatnonzero(users.lengths > 0))
    factors = list(model.user_factors(users))
    return pa.table(
        {
            USER_ID: pa.array(users.ids, pa.string()),
            "factors": pa.array(factors, pa.list_(pa.float32())),
        }
    )


@dataclass(frozen=True)
class Pairs:
    """Pairs of users and items, by numbers: users in order of their ids, items by position."""

    ids: pa.Array
    """user_id of each user."""
    hashes: Ints
    """xxhash64 of each user, 0 where the pairs do not tell."""
    known: pa.Table
    """user_histories.attributes_at_times."""
    users: Ints
    """Number of each pair's user."""
    items: Ints
    """Position of each pair's item, -1 where the catalogue does not have it."""
    n_items: int

    @classmethod
    def of(cls, pairs: pa.Table, known: pa.Table, catalogue: Catalogue) -> Pairs:
        """Returns the pairs of a table (user_id, item_id, maybe user_hash), in its order."""
        column = pairs.column(USER_ID).combine_chunks()
        # Sorted, as `read_histories` sorts: a user's row is the same either way.
        ids = column.unique().sort()
        users = pc.index_in(column, ids).to_numpy(zero_copy_only=False).astype(np.int64)
        hashes = np.zeros(len(ids), dtype=np.int64)
        if HASH in pairs.column_names:
            hashes[users] = pairs.column(HASH).to_numpy()
        return cls(ids, hashes, known, users, _places(pairs, catalogue), len(catalogue))

    @property
    def is_placed(self) -> Flags:
        """Whether the catalogue has the item, per pair."""
        placed: Flags = self.items >= 0
        return placed

    def users_of(self, chosen: Flags) -> Flags:
        """Returns, per user, whether one of the chosen pairs is theirs."""
        has_pair: Flags = np.bincount(self.users[chosen], minlength=len(self.ids)) > 0
        return has_pair

    def histories(
        self,
        chosen: Flags,
        values: tuple[pa.ChunkedArray, pa.ChunkedArray],
        rows: Flags,
        as_of: tuple[datetime, int],
    ) -> Histories:
        """Returns the histories of some users (`rows`, all of the chosen pairs' users).

        `values` are strength and last_at (microseconds) of each pair, `as_of` a time and its place
        in `known`. Ages are in days before that time.
        """
        when, number = as_of
        strengths, last_at = (column.fill_null(0).to_numpy() for column in values)
        ages = ((micros(when) - last_at) / MICROS_PER_DAY).astype(np.float32)
        return Histories(
            self.ids.to_numpy(zero_copy_only=False).astype(object)[rows],
            self.matrix(chosen, strengths.astype(np.float32), rows),
            ages[self._in_order(chosen)],
            self._attributes(rows, number),
        )

    def matrix(self, chosen: Flags, values: Singles | None, rows: Flags) -> csr_matrix:
        """Returns users (`rows`, all of the chosen pairs' users) × items; of ones without values.

        Pairs whose item has no position are left out.
        """
        order = self._in_order(chosen)
        data = np.ones(len(order), np.float32) if values is None else values[order]
        lengths = np.bincount(self.users[order], minlength=len(self.ids))[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        columns = self.items[order].astype(np.int32)
        return csr_matrix((data, columns, indptr), shape=(len(lengths), self.n_items))

    def _in_order(self, chosen: Flags) -> Ints:
        """Returns the chosen pairs that have a position, in order of user, then item."""
        places = np.flatnonzero(chosen & self.is_placed)
        order: Ints = places[np.lexsort((self.items[places], self.users[places]))]
        return order

    def _attributes(self, rows: Flags, number: int) -> tuple[tuple[str, ...], ...]:
        at = pc.index_in(self.ids.filter(pa.array(rows)), self.known.column(USER_ID))
        tokens = self.known.column(f"attributes_{number}").combine_chunks().take(at).to_pylist()
        return tuple(tuple(one or ()) for one in tokens)


def _collected(cuts: FoldSet) -> pa.Table:
    """Returns `FoldSet.pairs` with times in microseconds, and user_hash."""
    user_hash = F.xxhash64(USER_ID).alias(HASH)
    columns: list[Column | str] = [USER_ID, ITEM_ID, user_hash, "is_rated", _micros("first_at")]
    for n in range(len(cuts.spans)):
        columns += [f"strength_{n}", _micros(f"last_at_{n}"), f"is_answer_{n}"]
    return cuts.pairs.select(*columns).toArrow()


def _micros(name: str) -> Column:
    return F.unix_micros(name).alias(name)


def _places(pairs: pa.Table, catalogue: Catalogue) -> Ints:
    """Returns the position of each pair's item in the catalogue, -1 where it has none."""
    at = pc.index_in(pairs.column(ITEM_ID), pa.array(catalogue.ids, pa.string()))
    places: Ints = at.fill_null(-1).to_numpy().astype(np.int64)
    return places
