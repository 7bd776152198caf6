"""An index of recent sessions: which hold an item, what each holds, and what follows an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.arrays.numbers import Ints, Singles

Places = npt.NDArray[np.int32]


@dataclass(frozen=True)
class NextItems:
    """Items for one session, the best first."""

    items: Ints
    scores: Singles


@dataclass(frozen=True)
class Sessions:
    """Sessions by the time of their last event, the oldest first; items as they came."""

    items: Places
    """Positions in the catalogue, session after session, in the order of the events."""
    indptr: Ints
    """Where each session begins, and the end (sessions + 1,)."""
    n_items: int
    """Size of the catalogue."""

    def __len__(self) -> int:
        """Returns the number of sessions."""
        return len(self.indptr) - 1

    def part(self, first: int, last: int) -> Sessions:
        """Returns the sessions from place `first` to before `last`."""
        start, end = self.indptr[first], self.indptr[last]
        return Sessions(self.items[start:end], self.indptr[first : last + 1] - start, self.n_items)

    def latest(self, n: int) -> Sessions:
        """Returns the n latest sessions."""
        return self.part(max(0, len(self) - n), len(self))


@dataclass(frozen=True)
class SessionIndex:
    """What scores of the next item are worked out from; sessions by their place, latest last."""

    items: Places
    """Session → its items, each once, growing: CSR's indices."""
    items_indptr: Ints
    postings: Places
    """Item → the latest sessions that hold it, the latest first."""
    postings_indptr: Ints
    rarity: Singles
    """log(1 + sessions ÷ sessions of the item), per item; 0 for one of no session."""
    followers: Places
    """Item → items that came right after it, the most frequent first."""
    followers_indptr: Ints
    shares: Singles
    """Of all that came right after the item, the share of each of its followers."""

    @property
    def n_sessions(self) -> int:
        """Returns the number of sessions."""
        return len(self.items_indptr) - 1

    @property
    def n_items(self) -> int:
        """Returns the size of the catalogue."""
        return len(self.rarity)

    def followers_of(self, item: int) -> tuple[Places, Singles]:
        """Returns the items that came right after this one, and their shares."""
        run = slice(self.followers_indptr[item], self.followers_indptr[item + 1])
        return self.followers[run], self.shares[run]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Returns all that the index holds, by name."""
        return dict(vars(self))


def build_index(
    sessions: Sessions, sessions_per_item: int, followers_per_item: int
) -> SessionIndex:
    """Returns the index of these sessions.

    Of each item it keeps the `sessions_per_item` latest sessions, which is all that the search for
    as many candidates can meet (`vmis_knn`), and the `followers_per_item` items that most often
    came right after it. An item after itself is no follower. Time and memory grow with the events.
    """
    lengths = np.diff(sessions.indptr)
    owners = np.repeat(np.arange(len(sessions)), lengths)
    pairs = np.unique(owners * sessions.n_items + sessions.items)
    owner, item = np.divmod(pairs, max(sessions.n_items, 1))
    counts = np.bincount(item, minlength=sessions.n_items)
    rarity = np.zeros(sessions.n_items, dtype=np.float32)
    np.log1p(len(sessions) / np.maximum(counts, 1), out=rarity, where=counts > 0, casting="unsafe")
    # The latest session of each item first.
    latest = np.lexsort((-owner, item))
    kept, postings_indptr = _first_of_each(item[latest], sessions_per_item, sessions.n_items)
    followers, followers_indptr, shares = _transitions(sessions, owners, followers_per_item)
    return SessionIndex(
        item.astype(np.int32),
        np.searchsorted(owner, np.arange(len(sessions) + 1)).astype(np.int64),
        owner[latest][kept].astype(np.int32),
        postings_indptr,
        rarity,
        followers,
        followers_indptr,
        shares,
    )


def _transitions(sessions: Sessions, owners: Ints, n: int) -> tuple[Places, Ints, Singles]:
    """Returns (followers, indptr, shares) of every item."""
    source, target = sessions.items[:-1].astype(np.int64), sessions.items[1:].astype(np.int64)
    is_step = (owners[:-1] == owners[1:]) & (source != target)
    steps = source[is_step] * sessions.n_items + target[is_step]
    pairs, counts = np.unique(steps, return_counts=True)
    source, target = np.divmod(pairs, max(sessions.n_items, 1))
    totals = np.bincount(source, counts, sessions.n_items)
    order = np.lexsort((target, -counts, source))
    kept, indptr = _first_of_each(source[order], n, sessions.n_items)
    chosen = order[kept]
    shares = counts[chosen] / totals[source[chosen]]
    return target[chosen].astype(np.int32), indptr, shares.astype(np.float32)


def _first_of_each(keys: Ints, n: int, n_keys: int) -> tuple[Ints, Ints]:
    """Returns the places of the first n of each run of equal keys, and where each key's begin."""
    starts = np.searchsorted(keys, np.arange(n_keys + 1))
    rank = np.arange(len(keys)) - starts[keys] if len(keys) else np.zeros(0, dtype=np.int64)
    kept = np.flatnonzero(rank < n)
    sizes = np.minimum(np.diff(starts), n)
    return kept, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
