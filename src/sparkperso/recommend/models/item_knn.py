"""Item-kNN: items that the same users have, by cosine, TF-IDF or BM25."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags, vstack

from sparkperso.config.models import KnnParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Floats, Histories, Ints, Singles
from sparkperso.recommend.kernels.top_n import top_n
from sparkperso.recommend.models.base import Arrays, FitSetting, Fitted
from sparkperso.recommend.models.item_item import ItemItemModel, load_items
from sparkperso.recommend.models.recency_prior import column_sums, load_prior, with_prior

CELLS = 20_000_000
"""Similarities held at a time."""


def fit(params: KnnParams, users: Histories, catalogue: Catalogue, setting: FitSetting) -> Fitted:
    """Returns each item's nearest `n_neighbours`, itself left out."""
    model = model_of(nearest(weigh(params, users.likes), params.n_neighbours))
    return with_prior(model, users, params.prior_half_life_days)


def model_of(neighbours: csr_matrix) -> ItemItemModel:
    """Returns the model of each item's (row's) neighbours."""
    return ItemItemModel(neighbours.T.tocsr())


def load(params: KnnParams, arrays: Arrays) -> Fitted:
    """Returns the model that gave these arrays."""
    return load_prior(load_items(arrays), arrays)


def weigh(params: KnnParams, likes: csr_matrix) -> csr_matrix:
    """Returns users × items so weighted that the product of two columns is their similarity.

    cosine: columns at length 1. tfidf: times log(users ÷ (1 + users of the item)), then at
    length 1. bm25: users are the documents (Robertson and Zaragoza 2009, equation 3.15).
    """
    if params.similarity == "cosine":
        return _unit_columns(likes)
    rarity = rarity_of(column_sums(likes), likes.shape[0])
    if params.similarity == "tfidf":
        return _unit_columns(likes @ diags(rarity))
    lengths = np.diff(likes.indptr)
    mean = float(lengths.mean()) if len(lengths) else 1.0
    return (diags(user_weights(params, lengths, mean)) @ likes @ diags(rarity)).tocsr()


def rarity_of(counts: Floats, n_users: int) -> Floats:
    """Returns log(users ÷ (1 + users of the item)) of each item, not below 0."""
    rarity: Floats = np.maximum(np.log(max(n_users, 1) / (1 + counts)), 0)
    return rarity


def user_weights(params: KnnParams, lengths: Ints, mean: float) -> Floats:
    """Returns what BM25 lets a user of so many items count: (k1 + 1) ÷ (norm + 1)."""
    norm = params.k1 * (1 - params.b + params.b * lengths / max(mean, 1e-12))
    weights: Floats = ((params.k1 + 1) / (norm + 1)).astype(np.float64)
    return weights


def nearest(weighted: csr_matrix, n: int) -> csr_matrix:
    """Returns items × items: in each row the n largest products with other columns, above 0."""
    columns = weighted.T.tocsr().astype(np.float32)
    other, n_items = weighted.astype(np.float32).tocsr(), weighted.shape[1]
    size = max(1, CELLS // max(n_items, 1))
    blocks = [
        nearest_of((columns[start : start + size] @ other).toarray(), start, n)
        for start in range(0, n_items, size)
    ]
    return vstack(blocks).tocsr() if blocks else csr_matrix((n_items, n_items), dtype=np.float32)


def nearest_of(dense: Singles, start: int, n: int) -> csr_matrix:
    """Returns the n largest of each row above 0, itself left out; row 0 is item `start`.

    Changes `dense` (rows × items).
    """
    rows = np.arange(len(dense))
    dense[rows, start + rows] = 0
    dense[dense <= 0] = -np.inf
    found, values = top_n(dense, min(n, dense.shape[1]))
    kept = found >= 0
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return csr_matrix((values[kept], found[kept], indptr), shape=dense.shape)


def _unit_columns(matrix: csr_matrix) -> csr_matrix:
    squares: Floats = column_sums(matrix.multiply(matrix).tocsr())
    return (matrix @ diags(1 / np.sqrt(np.where(squares > 0, squares, 1)))).tocsr()
