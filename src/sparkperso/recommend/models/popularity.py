"""The baseline: what many users have, for everybody or for the users of a scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sparkperso.config.models import PopularityParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Floats, Histories, Ints, Singles, Texts
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
    """Returns `popular:<scope>` of a scope's attribute: `country=GB` is country:GB, '' global."""
    return f"popular:{scope.replace('=', ':', 1) or GLOBAL}"


@dataclass(frozen=True)
class PopularityModel:
    """A number per item: the share of the pairs; one row for everybody, one per scope."""

    shares: Singles
    """Scopes × items; the first row is everybody's."""
    scopes: Texts
    """`name=value` of each row; the first is ''."""

    def scores(self, users: Histories) -> Singles:
        """Returns the row of each user's scope."""
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
        found = [
            max((rows.get(token, 0) for token in tokens), default=0) for tokens in users.attributes
        ]
        return np.array(found, dtype=np.int64)


def fit(
    params: PopularityParams, users: Histories, catalogue: Catalogue, setting: FitSetting
) -> PopularityModel:
    """Returns the shares of the pairs of the window, each halved per half-life of age."""
    own = {
        scope: _counts(params, users.take(r)) for scope, r in _scopes(params.scope, users).items()
    }
    return model_of(_counts(params, users), own)


def model_of(everybody: Floats, scopes: Mapping[str, Floats]) -> PopularityModel:
    """Returns the model of what the pairs of each item count: everybody's, and each scope's."""
    overall = everybody / max(everybody.sum(), 1e-12)
    rows = [(own + SMOOTHING * overall) / (own.sum() + SMOOTHING) for own in scopes.values()]
    shares = np.stack([overall, *rows]).astype(np.float32)
    return PopularityModel(shares, np.array(["", *scopes], dtype=object))


def load(params: PopularityParams, arrays: Arrays) -> PopularityModel:
    """Returns the model that gave these arrays."""
    return PopularityModel(arrays["shares"], arrays["scopes"])


def _counts(params: PopularityParams, users: Histories) -> Floats:
    return column_sums(users.aged(_weights(params, users)))


def _weights(params: PopularityParams, users: Histories) -> Singles:
    """Returns what each pair counts: 0 outside the window, halved per half-life inside."""
    weights = np.ones(len(users.ages), dtype=np.float32)
    if params.half_life_days is not None:
        weights = np.power(np.float32(0.5), users.ages / np.float32(params.half_life_days))
    if params.window_days is not None:
        weights = np.where(users.ages < params.window_days, weights, np.float32(0))
    return weights


def _scopes(name: str | None, users: Histories) -> dict[str, Ints]:
    """Returns the users of each value of an attribute, values in order."""
    if name is None:
        return {}
    members: dict[str, list[int]] = {}
    for row, tokens in enumerate(users.attributes):
        for token in tokens:
            if token.startswith(f"{name}="):
                members.setdefault(token, []).append(row)
    return {scope: np.array(members[scope], dtype=np.int64) for scope in sorted(members)}
