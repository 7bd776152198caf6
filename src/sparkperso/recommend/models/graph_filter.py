"""Graph filters: a user's history, smoothed over the graph of users and items, in closed form.

GF-CF (Shen et al. 2021, "How powerful is graph convolution for recommendation?") adds a linear
filter, the normalised co-occurrence of items, and an ideal low-pass, the projection on the slowest
signals of the graph; Turbo-CF (Park et al. 2024) takes powers of the similarities instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags
from sklearn.utils.extmath import randomized_svd

from sparkperso.config.recommend.models import GraphFilterParams
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.kernels.products import rows_times
from sparkperso.recommend.models.base import (
    Arrays,
    Explainer,
    Explanation,
    FitSetting,
    Fitted,
)
from sparkperso.recommend.models.item_item import entries_of, load_items, sums_above_zero
from sparkperso.recommend.models.item_knn import nearest
from sparkperso.recommend.models.recency_prior import column_sums, load_prior, with_prior

SHARE_OF_SIDE = 4
"""The low-pass keeps at most one signal per so many users, or items: with all of them it would
give a history back as it is."""
OVERSAMPLES, POWER_ITERATIONS = 64, 2
"""More of either bring the signals nearer to the singular vectors, and lists no nearer to what is
bought: the spectrum of a graph of 42,000 items is flat where the low-pass ends."""


@dataclass(frozen=True)
class GraphFilterModel:
    """score(user, i) = Σ over the user's items j of linear[j, i] + sources[j] · targets[i]."""

    linear: csr_matrix
    """Items × items, float32, zero diagonal: the linear filter."""
    sources: Singles
    """Items × signals: what an item of a history says of each signal."""
    targets: Singles
    """Items × signals: what each signal says of an item to be scored."""

    def scores(self, users: Histories) -> Singles:
        """Returns users × items, float32; -inf where the sum is not above 0."""
        signals = np.asarray(users.likes @ self.sources, dtype=np.float32)
        return sums_above_zero(users, self.linear, rows_times(signals, self.targets.T))

    def explainer(self, users: Histories) -> Explainer:
        """Returns what each of the user's items adds to the sum."""
        pick = entries_of(self.linear)

        def explain(row: int, items: Ints) -> Explanation:
            own = users.liked(row)
            near = pick(own, items)
            far = self.sources[own].astype(np.float64) @ self.targets[items].astype(np.float64).T
            return Explanation({}, near + far)

        return explain

    def arrays(self) -> Arrays:
        """Returns the linear filter as CSR parts, and the signals."""
        return {
            "data": np.asarray(self.linear.data),
            "indices": self.linear.indices.astype(np.int32),
            "indptr": self.linear.indptr.astype(np.int64),
            "sources": self.sources,
            "targets": self.targets,
        }


def fit(
    params: GraphFilterParams, users: Histories, catalogue: Catalogue, setting: FitSetting
) -> Fitted:
    """Returns the filters of the graph of these users and their items.

    1. Each pair counts 1 ÷ (n_u^a · n_i^(1-a)), n the number of pairs of its user and of its item,
       a the `user_exponent`: R̃, users × items.
    2. The linear filter is R̃ᵀR̃, entry by entry to the `power`, of each item the `n_neighbours`
       largest.
    3. The low-pass is D^-½ · V Vᵀ · D^½, V the right singular vectors of R̃ with the `rank` largest
       singular values, D the numbers of pairs of the items (Shen et al. 2021, section 5).
    4. They are added, the low-pass times `low_pass`.

    Time grows with the sum of squared lengths of the users' histories, memory with items ×
    (`n_neighbours` + `rank`).
    """
    weighted = normalised(users.likes, params.user_exponent)
    signals = low_pass(weighted, n_signals(params, *weighted.shape), setting.seed)
    near = nearest(weighted, params.n_neighbours)
    model = model_of(params, near, signals, column_sums(users.likes))
    return with_prior(model, users, params.prior_half_life_days)


def load(params: GraphFilterParams, arrays: Arrays) -> Fitted:
    """Returns the model that gave these arrays."""
    linear = load_items({name: arrays[name] for name in ("data", "indices", "indptr")}).weights
    model = GraphFilterModel(csr_matrix(linear), arrays["sources"], arrays["targets"])
    return load_prior(model, arrays)


def model_of(
    params: GraphFilterParams, neighbours: csr_matrix, signals: Singles, counts: Floats
) -> GraphFilterModel:
    """Returns the model of each item's (row's) neighbours and of the low-pass.

    `signals` is items × signals (`low_pass`), `counts` the pairs of each item.
    """
    linear = neighbours.T.tocsr()
    linear.data **= np.float32(params.power)
    scale = np.sqrt(np.maximum(counts, 1))[:, None]
    # Rounding leaves traces of signals at items that nobody has.
    known = np.where((counts > 0)[:, None], signals, 0)
    sources, targets = known / scale, known * scale * params.low_pass
    return GraphFilterModel(linear, sources.astype(np.float32), targets.astype(np.float32))


def normalised(likes: csr_matrix, user_exponent: float) -> csr_matrix:
    """Returns users × items: 1 ÷ (n_u^a · n_i^(1-a)) per pair, with a = `user_exponent`.

    >>> likes = csr_matrix(np.array([[1, 1], [0, 1]], dtype=np.float32))
    >>> normalised(likes, 0.5).toarray().round(3).tolist()
    [[0.707, 0.5], [0.0, 0.707]]
    """
    of_users = user_weights(np.diff(likes.indptr), user_exponent)
    of_items = item_weights(column_sums(likes), user_exponent)
    return (diags(of_users) @ likes @ diags(of_items)).tocsr()


def user_weights(lengths: Ints, user_exponent: float) -> Floats:
    """Returns 1 ÷ n_u^a of users with so many pairs."""
    weights: Floats = np.maximum(lengths, 1).astype(np.float64) ** -user_exponent
    return weights


def item_weights(counts: Floats, user_exponent: float) -> Floats:
    """Returns 1 ÷ n_i^(1-a) of items with so many pairs."""
    weights: Floats = np.maximum(counts, 1) ** (user_exponent - 1)
    return weights


def n_signals(params: GraphFilterParams, n_users: int, n_items: int) -> int:
    """Returns how many signals the low-pass keeps of so many users and items.

    >>> n_signals(GraphFilterParams(rank=256), n_users=10_000, n_items=400)
    100
    """
    return min(params.rank, min(n_users, n_items) // SHARE_OF_SIDE) if params.low_pass > 0 else 0


@one_thread()
def low_pass(graph: csr_matrix | Floats, signals: int, seed: int) -> Singles:
    """Returns the right singular vectors with the largest singular values, items × signals.

    `graph` is R̃, or R̃ᵀR̃, whose vectors are the same. By random projection (Halko et al. 2011),
    from a start that the seed draws: exact where OVERSAMPLES more vectors span the smaller side,
    else the last of them are mixed with those that would follow. What counts is the product of
    the vectors with their transpose, and that does not depend on signs.
    """
    if signals < 1:
        return np.zeros((graph.shape[1], 0), dtype=np.float32)
    vectors: Singles = randomized_svd(
        graph.astype(np.float32),
        signals,
        n_oversamples=OVERSAMPLES,
        n_iter=POWER_ITERATIONS,
        power_iteration_normalizer="QR",
        random_state=seed,
    )[2].T
    return np.ascontiguousarray(vectors, dtype=np.float32)
