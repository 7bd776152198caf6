"""The baseline: what many users have, for everybody or for the users of a scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sparkperso.config.recommend.models import PopularityParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles, Texts
from sparkperso.recommend.models.base import (
    Arrays,
    Explainer,
    Explanation,
    FitSetting,
    nothing_where_zero,
)
from sparkperso.recommend.models.recency_prior import column_sums

SMOOTHING = 100.0
"""Pairs of all users that are added to those of a scope, so that small scopes lean on all."""

GLOBAL = "global"
"""The scope of everybody."""


def popular_in(scope: str) -> str:
    """Returns `popular:<scope>` of a scope's attribute; '' is everybody's.

    >>> popular_in("country=GB"), popular_in("")
    ('popular:country:GB', 'popular:global')
    """
    return f"popular:{scope.replace('=', ':', 1) or GLOBAL}"


@dataclass(frozen=True)
class PopularityModel:
    """A number per item, its share of the pairs (0 to 1): a row for everybody, one per scope."""

    shares: Singles
    """Scopes × items; the first row is everybody's."""
    scopes: Texts
    """`name=value` of each row; the first is ''."""

    def scores(self, users: Histories) -> Singles:
        """Returns the row of each user's scope, everybody's where a user is in none.

        Of several scopes that a user is in, the last in order of their names counts.
        """
        return nothing_where_zero(self.shares[self._rows(users)])

    def explainer(self, users: Histories) -> Explainer:
        """Returns the whole score as `popular:<scope>`: no item of the history has a part in it."""
        rows = self._rows(users)

        def explain(row: int, items: Ints) -> Explanation:
            base = self.shares[rows[row], items].astype(np.float64)
            name = popular_in(self.scopes[rows[row]])
            return Explanation({name: base}, np.zeros((int(users.lengths[row]), len(items))))

        return explain

    def arrays(self) -> Arrays:
        """Returns the fields."""
        return {"shares": self.shares, "scopes": self.scopes}

    def _rows(self, users: Histories) -> Ints:
        rows = {scope: row for row, scope in enumerate(self.scopes)}
        own = [
            max((rows.get(token, 0) for token in tokens), default=0) for tokens in users.attributes
        ]
        return np.array(own, dtype=np.int64)


def fit(
    params: PopularityParams, users: Histories, catalogue: Catalogue, setting: FitSetting
) -> PopularityModel:
    """Returns the shares of the pairs of the window, each halved per half-life of age.

    A pair counts once, however strong it is; ages, window and half-life are in days.
    """

    def counts(block: Histories) -> Floats:
        weights = np.ones(len(block.ages), dtype=np.float32)
        if params.half_life_days is not None:
            weights = np.power(np.float32(0.5), block.ages / np.float32(params.half_life_days))
        if params.window_days is not None:
            weights = np.where(block.ages < params.window_days, weights, np.float32(0))
        return column_sums(block.aged(weights))

    members = _users_by_scope(params.scope, users)
    return model_of(
        counts(users), {scope: counts(users.take(rows)) for scope, rows in members.items()}
    )


def model_of(everybody: Floats, scopes: Mapping[str, Floats]) -> PopularityModel:
    """Returns the model of what the pairs of each item count: everybody's, and each scope's.

    share in a scope = (own + SMOOTHING × everybody's share) ÷ (Σ own + SMOOTHING): everybody's
    shares are the prior of a scope's, worth SMOOTHING pairs (a Dirichlet prior).
    """
    # 1e-12: without any pair in the window all shares are 0, and nothing is listed.
    overall = everybody / max(everybody.sum(), 1e-12)
    rows = [(own + SMOOTHING * overall) / (own.sum() + SMOOTHING) for own in scopes.values()]
    shares = np.stack([overall, *rows]).astype(np.float32)
    return PopularityModel(shares, np.array(["", *scopes], dtype=object))


def load(params: PopularityParams, arrays: Arrays) -> PopularityModel:
    """Returns the model that gave these arrays."""
    return PopularityModel(arrays["shares"], arrays["scopes"])


def _users_by_scope(name: str | None, users: Histories) -> dict[str, Ints]:
    """Returns the rows of the users of each value of an attribute, values in order."""
    if name is None:
        return {}
    members: dict[str, list[int]] = {}
    for row, tokens in enumerate(users.attributes):
        for token in tokens:
            if token.startswith(f"{name}="):
                members.setdefault(token, []).append(row)
    return {scope: np.array(members[scope], dtype=np.int64) for scope in sorted(members)}
