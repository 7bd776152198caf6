"""What follows a person's last session: VMIS-kNN as a model of histories, for blends.

A history is cut into sessions where a person paused. Its pairs know their last touch alone, so what
a person came back to stands in the later of two sessions, and the order within one is that of last
touches. `vmis_knn` has the scores; who was not here lately has none, and a blend's other parts
decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from sparkperso.config.recommend.models import LastSessionParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.arrays.session_index import SessionIndex, Sessions
from sparkperso.recommend.models.base import (
    Arrays,
    Explainer,
    Explanation,
    FitSetting,
    Fitted,
    nothing_where_zero,
)
from sparkperso.recommend.models.recency_prior import load_prior, with_prior
from sparkperso.recommend.models.vmis_knn import SessionKnn
from sparkperso.recommend.models.vmis_knn import fit as fit_sessions

MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True)
class UserSessions:
    """The sessions of users in memory, each user's in order of time."""

    items: Ints
    indptr: Ints
    """Where each session begins, and the end (sessions + 1,)."""
    owners: Ints
    """Row of the user of each session."""
    ages: Floats
    """Days since the last pair of each session."""


@dataclass(frozen=True)
class LastSessionModel:
    """Scores people by their last session, where that is recent."""

    params: LastSessionParams
    sessions: SessionKnn

    def scores(self, users: Histories) -> Singles:
        """Returns users × items, float32; -inf for people without a recent session."""
        scores = np.zeros((len(users), users.n_items), dtype=np.float32)
        for row, recent in self._last_sessions(users):
            self.sessions.add_scores(recent, scores[row])
        return nothing_where_zero(scores)

    def explainer(self, users: Histories) -> Explainer:
        """Returns what each item of the last session adds; older ones add nothing."""
        last = dict(self._last_sessions(users))

        def explain(row: int, items: Ints) -> Explanation:
            added = np.zeros((int(users.lengths[row]), len(items)))
            if row in last:
                own, parts = self.sessions.contributions(last[row], items)
                added[np.searchsorted(users.liked(row), own)] = parts
            return Explanation({}, added)

        return explain

    def arrays(self) -> Arrays:
        """Returns the index of the sessions."""
        return self.sessions.index.arrays()

    def _last_sessions(self, users: Histories) -> Iterator[tuple[int, Ints]]:
        found = user_sessions(users, self.params.gap_minutes)
        is_last = np.append(found.owners[1:] != found.owners[:-1], True)[: len(found.owners)]
        for place in np.flatnonzero(is_last & (found.ages <= self.params.recent_days)):
            run = slice(found.indptr[place], found.indptr[place + 1])
            yield int(found.owners[place]), found.items[run]


def fit(
    params: LastSessionParams, users: Histories, catalogue: Catalogue, setting: FitSetting
) -> Fitted:
    """Returns the model of the latest sessions of these users."""
    found = user_sessions(users, params.gap_minutes)
    # The oldest first; whose come first of those at the same time must not depend on the rows.
    by_id = np.unique(users.ids.astype(str), return_inverse=True)[1]
    order = np.lexsort((by_id[found.owners], -found.ages))
    lengths = np.diff(found.indptr)[order]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    within = np.arange(len(found.items)) - np.repeat(indptr[:-1], lengths)
    items = found.items[np.repeat(found.indptr[order], lengths) + within]
    sessions = Sessions(items.astype(np.int32), indptr, users.n_items)
    model = LastSessionModel(params, fit_sessions(params, sessions))
    return with_prior(model, users, params.prior_half_life_days)


def load(params: LastSessionParams, arrays: Arrays) -> Fitted:
    """Returns the model that gave these arrays."""
    index = SessionIndex(**{field.name: arrays[field.name] for field in fields(SessionIndex)})
    return load_prior(LastSessionModel(params, SessionKnn(params, index)), arrays)


def user_sessions(users: Histories, gap_minutes: float) -> UserSessions:
    """Returns the preferred pairs of users as sessions, cut where there are longer pauses.

    Pairs in order of their last touch, then of the item.
    """
    liked = users.aged(users.ages)
    owners = np.repeat(np.arange(len(users)), np.diff(liked.indptr))
    ages = liked.data.astype(np.float64)
    order = np.lexsort((liked.indices, -ages, owners))
    owners, ages = owners[order], ages[order]
    pauses = (ages[:-1] - ages[1:]) * MINUTES_PER_DAY
    is_other = (owners[1:] != owners[:-1]) | (pauses > gap_minutes)
    starts = np.flatnonzero(np.append(True, is_other)[: len(ages)])
    indptr = np.append(starts, len(ages)).astype(np.int64)
    items = liked.indices[order].astype(np.int64)
    return UserSessions(items, indptr, owners[starts], ages[indptr[1:] - 1])
