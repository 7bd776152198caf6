"""VMIS-kNN: the next item of a session, by the recent sessions that are most like it.

Kersbergen, Sprangers and Schelter (2022, "Serenade"). Beside the neighbours' items, what came right
after the session's last item counts, with a weight of its own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from sparkperso.config.recommend.sessions import SessionKnnParams
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.arrays.session_index import (
    NextItems,
    Places,
    SessionIndex,
    Sessions,
    build_index,
)
from sparkperso.recommend.arrays.sorting import distinct, is_first, largest, sums_of_runs

MATCH_STEP = 0.1
"""What a neighbour loses for each event since the latest item that it shares: from the tenth on it
counts nothing."""


@dataclass(frozen=True)
class Query:
    """A session that is asked about: its known items, each once, the latest first."""

    last: int
    """The last item, -1 where it is unknown, or there is none."""
    items: Ints
    decay: Ints
    """Place in the session from its begin, in whole numbers."""
    match: Singles


@dataclass(frozen=True)
class Neighbours:
    """The sessions most like one, the most similar first."""

    sessions: Ints
    similarity: Ints
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
        scores = self._scores
        touched = self.add_scores(recent, scores)
        found = scores[touched]
        scores[touched] = 0
        last = recent[-1] if len(recent) else -1
        is_listed = (touched != last) & (found > 0)
        return _best(touched[is_listed], found[is_listed], n)

    def add_scores(self, recent: Ints, scores: Singles) -> Places:
        """Sets the scores of `next_items`, the last item's too, in an array of 0 (items,).

        Returns the items that have one, in any order.
        """
        query = self._query(recent)
        touched, _ = self._add_neighbours(self._neighbours(query), scores)
        followers, shares = self._followers(query.last)
        scores[followers] += self.params.transitions * shares
        return distinct(np.concatenate([touched, followers]))

    def contributions(self, recent: Ints, items: Ints) -> tuple[Ints, Floats]:
        """Returns (known items of the session, what each adds to these items' scores).

        The second is session × items. A similarity is a sum over shared items, and so is a score:
        each shared item has its decay's part in it. What came after the last item is the last's.
        """
        query, scores = self._query(recent), self._scores
        near = self._neighbours(query)
        touched, most = self._add_neighbours(near, scores)
        scores[touched] = 0
        shared = self._holds(near.sessions, query.items) * near.matched[:, None]
        added = (shared.T @ self._holds(near.sessions, items)) * query.decay[:, None]
        added *= self.index.rarity[items] / most
        followers, shares = self._followers(query.last)
        is_follower = followers[:, None] == items
        share = (is_follower * shares[:, None]).sum(axis=0)
        added[query.items == query.last] += self.params.transitions * share
        return query.items, added

    def _query(self, recent: Ints) -> Query:
        latest = np.asarray(recent, dtype=np.int64)[-self.params.max_items :].tolist()
        since: dict[int, int] = {}
        for place, item in enumerate(reversed(latest)):
            if 0 <= item < self.index.n_items:
                since.setdefault(item, place)
        events = np.fromiter(since.values(), np.int64, len(since))
        return Query(
            latest[-1] if latest else -1,
            np.fromiter(since, np.int64, len(since)),
            # Whole numbers, in units of 1 ÷ length: sums of fractions would tell equal sessions
            # apart.
            len(latest) - events,
            np.maximum(1 - MATCH_STEP * (events + 1), 0).astype(np.float32),
        )

    def _neighbours(self, query: Query) -> Neighbours:
        """Returns the candidates that are most alike, by sorting numbers instead of rows.

        A number is made of a session and a place in the query: in order, each session's places
        stand together, that of the latest item first.
        """
        starts = self.index.postings_indptr
        runs = [self.index.postings[starts[item] : starts[item + 1]] for item in query.items]
        if not runs:
            nothing = np.zeros(0, np.int64)
            return Neighbours(nothing, nothing, np.zeros(0, np.float32))
        bits = len(runs).bit_length()
        met = np.concatenate(runs).astype(np.int64) << bits
        met |= np.repeat(np.arange(len(runs)), [len(run) for run in runs])
        met.sort()
        sessions, places = met >> bits, met & ((1 << bits) - 1)
        firsts = np.flatnonzero(is_first(sessions))[-self.params.n_candidates :]
        similarity = sums_of_runs(query.decay[places], firsts)
        # Of equal ones the latest, which are last here.
        order = similarity * len(firsts) + np.arange(len(firsts))
        nearest = largest(order, self.params.n_neighbours)[::-1] % max(len(firsts), 1)
        matched = query.match[places[firsts[nearest]]]
        nearest, matched = nearest[matched > 0], matched[matched > 0]
        return Neighbours(sessions[firsts[nearest]], similarity[nearest], matched)

    def _add_neighbours(self, near: Neighbours, scores: Singles) -> tuple[Places, float]:
        """Adds what the neighbours say, at most 1; returns the items that they say it of.

        In growing order. And what it was divided by.
        """
        index, weights = self.index, near.similarity.astype(np.float32) * near.matched
        starts = index.items_indptr[near.sessions]
        lengths = index.items_indptr[near.sessions + 1] - starts
        ends = np.cumsum(lengths)
        entries = np.arange(lengths.sum()) + np.repeat(starts - (ends - lengths), lengths)
        items = index.items[entries]
        # One after the other, as float32: a sum must not depend on who works it out.
        np.add.at(scores, items, np.repeat(weights, lengths) * index.rarity[items])
        touched = distinct(items)
        if not touched.size:
            return touched, 1.0
        found = scores[touched]
        most = found.max()
        scores[touched] = found / most
        return touched, float(most)

    def _followers(self, item: int) -> tuple[Places, Singles]:
        if not 0 <= item < self.index.n_items:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        return self.index.followers_of(item)

    def _holds(self, sessions: Ints, items: Ints) -> Floats:
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
    def _scores(self) -> Singles:
        """An array of 0 (items,) of this thread; every call leaves it so."""
        local = self._local
        if not hasattr(local, "scores"):
            local.scores = np.zeros(self.index.n_items, dtype=np.float32)
        scores: Singles = local.scores
        return scores


def fit(params: SessionKnnParams, sessions: Sessions) -> SessionKnn:
    """Returns the model of the `max_sessions` latest of these sessions."""
    latest = sessions.latest(params.max_sessions)
    return SessionKnn(params, build_index(latest, params.n_candidates, params.n_followers))


def _best(items: Places, scores: Singles, n: int) -> NextItems:
    """Returns the n of these items, which grow, with the largest scores; of equal ones the first.

    The others are not sorted.
    """
    if len(scores) > n > 0:
        at_least = np.partition(scores, len(scores) - n)[len(scores) - n]
        items, scores = items[scores >= at_least], scores[scores >= at_least]
    order = np.argsort(-scores, kind="stable")[: max(n, 0)]
    return NextItems(items[order].astype(np.int64), scores[order])
