"""Item-kNN: items that the same users have, by cosine, TF-IDF or BM25.

As Deshpande and Karypis (2004), the score of an item is the sum of its similarities to the user's
items, and only `n_neighbours` per item count. Theirs keep the neighbours of each item of the
history; here each item to be scored keeps its own, and similarities are not normalised per item.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags, vstack

from sparkperso.config.recommend.models import KnnParams
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints
from sparkperso.recommend.models.base import Arrays, FitSetting, Fitted
from sparkperso.recommend.models.item_item import ItemItemModel, load_items
from sparkperso.recommend.models.recency_prior import column_sums, load_prior, with_prior

CELLS = 20_000_000
"""Similarities held at a time: at most 160 MB, where each item has met each."""


def fit(params: KnnParams, users: Histories, catalogue: Catalogue, setting: FitSetting) -> Fitted:
    """Returns the model of each item's nearest `n_neighbours`, itself left out."""
    model = model_of(nearest(weigh(params, users.likes), params.n_neighbours))
    return with_prior(model, users, params.prior_half_life_days)


def model_of(neighbours: csr_matrix) -> ItemItemModel:
    """Returns the model of each item's (row's) neighbours: weights[j, i] = similarity of i to j."""
    return ItemItemModel(neighbours.T.tocsr())


def load(params: KnnParams, arrays: Arrays) -> Fitted:
    """Returns the model that gave these arrays."""
    return load_prior(load_items(arrays), arrays)


def weigh(params: KnnParams, likes: csr_matrix) -> csr_matrix:
    """Returns users × items so weighted that the product of two columns is their similarity.

    cosine: columns at length 1. tfidf: times log(users ÷ (1 + users of the item)), then at
    length 1; a factor per column cancels there, so that it differs from the cosine only in what
    it drops: items of all users, or all but one. bm25: users are documents, items terms (Robertson
    and Zaragoza 2009, equation 3.15), with the rarity of TF-IDF in place of BM25's own; columns
    are not scaled.
    """
    if params.similarity == "cosine":
        return unit_columns(likes)
    rarity = rarity_of(column_sums(likes), likes.shape[0])
    if params.similarity == "tfidf":
        return unit_columns(likes @ diags(rarity))
    lengths = np.diff(likes.indptr)
    mean = float(lengths.mean()) if len(lengths) else 1.0
    return (diags(user_weights(params, lengths, mean)) @ likes @ diags(rarity)).tocsr()


def rarity_of(counts: Floats, n_users: int) -> Floats:
    """Returns log(users ÷ (1 + users of the item)) of each item, not below 0.

    >>> rarity_of(np.array([0.0, 1.0, 7.0]), n_users=8).round(4).tolist()
    [2.0794, 1.3863, 0.0]
    """
    rarity: Floats = np.maximum(np.log(max(n_users, 1) / (1 + counts)), 0)
    return rarity


def user_weights(params: KnnParams, lengths: Ints, mean: float) -> Floats:
    """Returns what BM25 lets a user of so many items count: (k1 + 1) ÷ (norm + 1).

    norm = k1 · (1 - b + b · length ÷ mean length). It is BM25's saturation at a frequency of 1:
    the longer a history, the less each of its items says about the others.
    """
    norm = params.k1 * (1 - params.b + params.b * lengths / max(mean, 1e-12))
    weights: Floats = ((params.k1 + 1) / (norm + 1)).astype(np.float64)
    return weights


def nearest(weighted: csr_matrix, n: int) -> csr_matrix:
    """Returns items × items (CSR, float32): per row the n largest products with other columns.

    Products at or below 0 are no neighbours; equal ones go to the smaller position.
    """
    columns = weighted.T.tocsr().astype(np.float32)
    # By blocks of rows: all similarities at a time would be items × items.
    other, n_items = weighted.astype(np.float32).tocsr(), weighted.shape[1]
    size = max(1, CELLS // max(n_items, 1))
    blocks = [
        nearest_of(columns[start : start + size] @ other, start, n)
        for start in range(0, n_items, size)
    ]
    return vstack(blocks).tocsr() if blocks else csr_matrix((n_items, n_items), dtype=np.float32)


def nearest_of(similar: csr_matrix, start: int, n: int) -> csr_matrix:
    """Returns the n largest of each row above 0, itself left out; row 0 is item `start`.

    `similar` is rows × items; columns of the result grow.
    """
    rows = np.repeat(np.arange(similar.shape[0]), np.diff(similar.indptr))
    is_near = (similar.data > 0) & (similar.indices != start + rows)
    counts = np.bincount(rows[is_near], minlength=similar.shape[0])
    near = csr_matrix(
        (similar.data[is_near], similar.indices[is_near], np.append(0, np.cumsum(counts))),
        shape=similar.shape,
    )
    near.sort_indices()
    for row in np.flatnonzero(counts > n):
        values = near.data[near.indptr[row] : near.indptr[row + 1]]
        bar = np.partition(values, -n)[-n]
        at_bar = np.flatnonzero(values == bar)
        values[at_bar[n - np.count_nonzero(values > bar) :]] = 0
        values[values < bar] = 0
    near.eliminate_zeros()
    return near


def unit_columns(matrix: csr_matrix) -> csr_matrix:
    """Returns the matrix with columns at length 1; a column of zeros stays one."""
    squares: Floats = column_sums(matrix.multiply(matrix).tocsr())
    return (matrix @ diags(1 / np.sqrt(np.where(squares > 0, squares, 1)))).tocsr()
