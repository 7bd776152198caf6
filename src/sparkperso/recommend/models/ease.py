"""EASE: the ridge regression of every item on all others, in closed form (Steck 2019)."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from sparkperso.config.recommend.models import EaseParams
from sparkperso.core.errors import JobError
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Singles
from sparkperso.recommend.models.base import Arrays, FitSetting, Fitted
from sparkperso.recommend.models.item_item import ItemItemModel, load_items
from sparkperso.recommend.models.recency_prior import load_prior, with_prior


def fit(params: EaseParams, users: Histories, catalogue: Catalogue, setting: FitSetting) -> Fitted:
    """Returns B = I - P · diag(1 / P_jj) with P = (XᵀX + λI)⁻¹ (Steck 2019, equation 8).

    X (users × items) is 1 where a user likes an item, λ is `reg_param`; a user's scores are their
    row of X · B, times the recency prior where the settings ask for it. Takes items² × 12 bytes;
    raises JobError when the catalogue is larger than `setting.max_item_pairs`, and where
    XᵀX + λI has no inverse in 32 bits.
    """
    require_small(len(catalogue), setting.max_item_pairs, "EASE")
    weights = closed_form(users.item_gram, params.reg_param)
    return with_prior(ItemItemModel(weights), users, params.prior_half_life_days)


def load(params: EaseParams, arrays: Arrays) -> Fitted:
    """Returns the model that gave these arrays."""
    return load_prior(load_items(arrays), arrays)


def closed_form(gram: Singles, reg_param: float) -> Singles:
    """Returns the weights of a Gram matrix (items × items, float32); the diagonal is 0.

    `gram[i, j]` is how many users like both items. By Cholesky, on one thread, so that the bits do
    not depend on the machine's cores. Raises JobError where the matrix is not positive definite.

    >>> gram = np.array([[2, 1], [1, 2]], dtype=np.float32)
    >>> closed_form(gram, reg_param=2.0).tolist()
    [[0.0, 0.25], [0.25, 0.0]]
    """
    ridge = gram.copy(order="F")
    ridge[np.diag_indices_from(ridge)] += np.float32(reg_param)
    with one_thread():
        factor, failed = lapack.spotrf(ridge, lower=1, overwrite_a=1)
        inverse, singular = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or singular:
        raise JobError(
            "XᵀX + reg_param should be positive definite", "It is not", "Raise reg_param"
        )
    # LAPACK fills one half of a symmetric inverse.
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights: Singles = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.ascontiguousarray(weights, dtype=np.float32)


def require_small(n_items: int, bound: int, model: str) -> None:
    """Raises JobError when a catalogue is too large for a matrix of items × items."""
    if n_items > bound:
        raise JobError(
            f"{model} holds a matrix of items × items, for at most {bound:,} items",
            f"The catalogue has {n_items:,}",
            "Leave it out of recommend.search.space, or raise recommend.max_item_pairs and memory "
            f"with it ({n_items**2 * 12 / 2**30:,.1f} GB in one task)",
        )
