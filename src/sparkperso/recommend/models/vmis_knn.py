"""VMIS-kNN: the next item of a session, by the recent sessions that are most like it.

Kersbergen, Sprangers and Schelter (2022, "Serenade"). Beside the neighbours' items, what came right
after the session's last item counts, with a weight of its own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from sparkperso.config.recommend.sessions import SessionKnnParams
from sparkperso.recommend.arrays.histories import Floats, Ints, Singles
from sparkperso.recommend.arrays.session_index import (
    NextItems,
    Places,
    SessionIndex,
    Sessions,
    build_index,
)
from sparkperso.recommend.kernels.sessions import add_items, meet

MATCH_STEP = 0.1
"""What a neighbour loses for each event since the latest item that it shares: from the tenth on it
counts nothing."""


class Scratch:
    """Arrays of a thread; every call finds and leaves similarities and scores at 0."""

    def __init__(self, n_sessions: int, n_items: int) -> None:
        self.similarity = np.zeros(n_sessions, dtype=np.int32)
        self.matched = np.zeros(n_sessions, dtype=np.float32)
        self.scores = np.zeros(n_items, dtype=np.float32)


@dataclass(frozen=True)
class Query:
    """A session that is asked about: its known items, each once, the latest first."""

    last: int
    """The last item, -1 where it is unknown, or there is none."""
    items: Places
    decay: Places
    """Place in the session from its begin, in whole numbers."""
    match: Singles


@dataclass(frozen=True)
class Neighbours:
    """The sessions most like one, the most similar first."""

    sessions: Places
    similarity: Places
    matched: Singles
    """The `match` of the latest item that both hold; above 0."""


@dataclass(frozen=True)
class SessionKnn:
    """Scores of what comes next; may be called by several threads at the same time."""

    params: SessionKnnParams
    index: SessionIndex
    _local: threading.local = field(default_factory=threading.local, init=False, repr=False)

    def next_items(self, recent: Ints, n: int) -> NextItems:
        """Returns up to n items, best first, that may follow these, in order, the latest last.

        1. Candidates are the `n_candidates` latest sessions that share an item with this one.
        2. A candidate's similarity is the sum over the shared items of their decay: an item's place
           in this session, from its begin, over the session's length.
        3. The `n_neighbours` most similar are kept, the latest of equal ones.
        4. An item's score is the sum over the neighbours that hold it of their similarity, times
           1 - 0.1 · (events since the latest shared item, itself counted), times the item's rarity.
        5. Scores are divided by the largest; `transitions` × the share of the last item's followers
           is added.

        The last item itself is left out. Positions outside the catalogue, such as -1 for an unknown
        item, take a place in the session and match nothing; of a long session the latest
        `max_items` count. Equal scores go to the smaller position.
        """
        scores = self._scratch.scores
        touched = self.add_scores(recent, scores)
        last = recent[-1] if len(recent) else -1
        found = touched[(touched != last) & (scores[touched] > 0)]
        order = np.lexsort((found, -scores[found]))[:n]
        best = NextItems(found[order].astype(np.int64), scores[found[order]].copy())
        scores[touched] = 0
        return best

    def add_scores(self, recent: Ints, scores: Singles) -> Places:
        """Sets the scores of `next_items`, the last item's too, in an array of 0 (items,).

        Returns the items that have one, in any order.
        """
        query = self._query(recent)
        touched, _ = self._add_neighbours(self._neighbours(query), scores)
        followers, shares = self._followers(query.last)
        scores[followers] += self.params.transitions * shares
        return np.union1d(touched, followers)

    def contributions(self, recent: Ints, items: Ints) -> tuple[Ints, Floats]:
        """Returns (known items of the session, what each adds to these items' scores).

        The second is session × items. A similarity is a sum over shared items, and so is a score:
        each shared item has its decay's part in it. What came after the last item is the last's.
        """
        query, scores = self._query(recent), self._scratch.scores
        near = self._neighbours(query)
        touched, largest = self._add_neighbours(near, scores)
        scores[touched] = 0
        shared = self._holds(near.sessions, query.items) * near.matched[:, None]
        added = (shared.T @ self._holds(near.sessions, items)) * query.decay[:, None]
        added *= self.index.rarity[items] / largest
        followers, shares = self._followers(query.last)
        is_follower = followers[:, None] == items
        share = (is_follower * shares[:, None]).sum(axis=0)
        added[query.items == query.last] += self.params.transitions * share
        return query.items.astype(np.int64), added

    def _query(self, recent: Ints) -> Query:
        recent = np.asarray(recent, dtype=np.int64)[-self.params.max_items :]
        last = int(recent[-1]) if len(recent) else -1
        return Query(last, *_weights_of(recent, self.index.n_items))

    def _neighbours(self, query: Query) -> Neighbours:
        index, scratch = self.index, self._scratch
        met = meet(
            query.items,
            query.decay,
            query.match,
            index.postings,
            index.postings_indptr,
            scratch.similarity,
            scratch.matched,
        )
        # The latest first, and so among equally similar ones.
        latest = np.sort(met)[::-1][: self.params.n_candidates]
        order = np.argsort(-scratch.similarity[latest], kind="stable")
        nearest = latest[order[: self.params.n_neighbours]]
        nearest = nearest[scratch.matched[nearest] > 0]
        near = Neighbours(nearest, scratch.similarity[nearest], scratch.matched[nearest])
        scratch.similarity[met] = 0
        return near

    def _add_neighbours(self, near: Neighbours, scores: Singles) -> tuple[Places, float]:
        """Adds what the neighbours say, at most 1; returns the items that they say it of.

        And what it was divided by.
        """
        index = self.index
        touched = add_items(
            near.sessions,
            near.similarity.astype(np.float32) * near.matched,
            index.items,
            index.items_indptr,
            index.rarity,
            scores,
        )
        if not touched.size:
            return touched, 1.0
        largest = scores[touched].max()
        scores[touched] /= largest
        return touched, float(largest)

    def _followers(self, item: int) -> tuple[Places, Singles]:
        if not 0 <= item < self.index.n_items:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        return self.index.followers_of(item)

    def _holds(self, sessions: Places, items: Ints | Places) -> Floats:
        """Returns sessions × items: 1 where one holds the other, else 0."""
        starts, ends = self.index.items_indptr[sessions], self.index.items_indptr[sessions + 1]
        runs = [self.index.items[start:end] for start, end in zip(starts, ends, strict=True)]
        flat = np.concatenate([np.zeros(0, np.int32), *runs])
        owners = np.repeat(np.arange(len(sessions)), ends - starts)
        order = np.argsort(items)
        places = np.searchsorted(items, flat, sorter=order).clip(max=max(len(items) - 1, 0))
        held = np.zeros((len(sessions), len(items)))
        if len(items):
            columns = order[places]
            is_held = items[columns] == flat
            held[owners[is_held], columns[is_held]] = 1
        return held

    @property
    def _scratch(self) -> Scratch:
        local = self._local
        if not hasattr(local, "scratch"):
            local.scratch = Scratch(self.index.n_sessions, self.index.n_items)
        scratch: Scratch = local.scratch
        return scratch


def fit(params: SessionKnnParams, sessions: Sessions) -> SessionKnn:
    """Returns the model of the `max_sessions` latest of these sessions."""
    latest = sessions.latest(params.max_sessions)
    return SessionKnn(params, build_index(latest, params.n_candidates, params.n_followers))


def _weights_of(recent: Ints, n_items: int) -> tuple[Places, Places, Singles]:
    """Returns a session's known items, each once and the latest first, with decay and match."""
    backwards = recent[::-1]
    items, first = np.unique(backwards, return_index=True)
    is_known = (items >= 0) & (items < n_items)
    order = np.argsort(first[is_known])
    since = first[is_known][order]
    # Whole numbers, in units of 1 ÷ length: sums of fractions would tell equal sessions apart.
    decay = len(recent) - since
    match = np.maximum(1 - MATCH_STEP * (since + 1), 0)
    return (
        items[is_known][order].astype(np.int32),
        decay.astype(np.int32),
        match.astype(np.float32),
    )
