"""Item-kNN: items that the same users have, by cosine, TF-IDF or BM25."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags, vstack

from sparkperso.config.models import KnnParams
from sparkperso.recommend.catalogue import Catalogue
from sparkperso.recommend.histories import Floats, Histories
from sparkperso.recommend.kernels.top import top_n
from sparkperso.recommend.models.base import Arrays, FitSetting, Fitted
from sparkperso.recommend.models.items import ItemItemModel, load_items
from sparkperso.recommend.models.prior import column_sums, load_prior, with_prior

CELLS = 20_000_000
"""Similarities held at a time."""


def fit(params: KnnParams, users: Histories, catalogue: Catalogue, setting: FitSetting) -> Fitted:
    """Returns each item's nearest `n_neighbours`, itself left out."""
    weighted = weigh(params, users.likes)
    neighbours = nearest(weighted, params.n_neighbours)
    model = ItemItemModel(neighbours.T.tocsr())
    return with_prior(model, users, params.prior_half_life_days)


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
    rarity = np.maximum(np.log(max(likes.shape[0], 1) / (1 + column_sums(likes))), 0)
    if params.similarity == "tfidf":
        return _unit_columns(likes @ diags(rarity))
    lengths = np.diff(likes.indptr)
    mean = max(lengths.mean(), 1e-12) if len(lengths) else 1.0
    norm = params.k1 * (1 - params.b + params.b * lengths / mean)
    saturated = diags((params.k1 + 1) / (norm + 1)) @ likes
    return (saturated @ diags(rarity)).tocsr()


def nearest(weighted: csr_matrix, n: int) -> csr_matrix:
    """Returns items × items: in each row the n largest products with other columns, above 0."""
    columns = weighted.T.tocsr().astype(np.float32)
    other, n_items = weighted.astype(np.float32).tocsr(), weighted.shape[1]
    size = max(1, CELLS // max(n_items, 1))
    blocks = [
        _nearest_of(columns[start : start + size] @ other, start, n)
        for start in range(0, n_items, size)
    ]
    return vstack(blocks).tocsr() if blocks else csr_matrix((n_items, n_items), dtype=np.float32)


def _nearest_of(products: csr_matrix, start: int, n: int) -> csr_matrix:
    dense = products.toarray()
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
