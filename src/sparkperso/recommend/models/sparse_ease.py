"""EASE for large catalogues: the ridge regression of every item on those nearest to it.

EASE inverts a matrix of items × items. Here each item has a small one, of its neighbours: what
Steck (2019, "Markov random fields for collaborative filtering", section 3.2) does where each
sub-matrix is used for one item, and fsSLIM (Ning and Karypis 2011) without its ℓ1 norm.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, vstack

from sparkperso.config.recommend.models import SparseEaseParams
from sparkperso.core.errors import JobError
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints
from sparkperso.recommend.kernels.compiled import run_pieces
from sparkperso.recommend.kernels.sub_matrices import sub_matrices
from sparkperso.recommend.models.base import Arrays, FitSetting, Fitted
from sparkperso.recommend.models.item_item import ItemItemModel, load_items
from sparkperso.recommend.models.item_knn import nearest_of
from sparkperso.recommend.models.recency_prior import load_prior, with_prior

CELLS = 20_000_000
"""Cells of small matrices that a thread holds at a time: 80 MB of float32."""


def fit(
    params: SparseEaseParams, users: Histories, catalogue: Catalogue, setting: FitSetting
) -> Fitted:
    """Returns the model of `model_of`, times the recency prior where the settings ask for it.

    Raises JobError as `gram_of` does.
    """
    model = model_of(params, gram_of(users, setting), setting.threads)
    return with_prior(model, users, params.prior_half_life_days)


def gram_of(users: Histories, setting: FitSetting) -> csr_matrix:
    """Returns how many users have both of two items: items × items, float32.

    Takes 8 bytes per pair of items that some user has both of; raises JobError beforehand where
    that may be more than EASE takes of `setting.max_item_pairs` items.
    """
    require_few_pairs(users.lengths, users.n_items, setting.max_item_pairs)
    return (users.likes.T.tocsr() @ users.likes).tocsr()


def load(params: SparseEaseParams, arrays: Arrays) -> Fitted:
    """Returns the model that gave these arrays."""
    return load_prior(load_items(arrays), arrays)


@one_thread()
def model_of(params: SparseEaseParams, gram: csr_matrix, threads: int = 1) -> ItemItemModel:
    """Returns the model of a Gram matrix (items × items, float32), the same on any threads.

    1. An item's neighbours N are the `n_neighbours` of the largest cosine.
    2. Its weights are b = (G_NN + λI)⁻¹ G_Ni, with λ the `reg_param`: the column that EASE
       (Steck 2019, equation 8) has for a catalogue of the item and its neighbours.

    Time grows with items × (`n_neighbours`³ + the entries of the neighbours' rows).
    """
    n_items = gram.shape[0]
    lengths: Floats = np.sqrt(np.maximum(gram.diagonal(), 1).astype(np.float64))
    size = max(1, CELLS // params.n_neighbours**2)
    bounds = np.append(np.arange(0, n_items, size), n_items)
    blocks: dict[int, csr_matrix] = {}

    def regress(first: int, last: int) -> None:
        cosines = gram[first:last].astype(np.float32)
        rows = np.repeat(np.arange(first, last), np.diff(cosines.indptr))
        cosines.data /= (lengths[rows] * lengths[cosines.indices]).astype(np.float32)
        near = nearest_of(cosines, first, params.n_neighbours)
        small, right = sub_matrices(gram, near, first, params.reg_param)
        weights = np.linalg.solve(small, right[:, :, None])[:, :, 0]
        is_near = np.arange(small.shape[1]) < np.diff(near.indptr)[:, None]
        blocks[first] = csr_matrix((weights[is_near], near.indices, near.indptr), near.shape)

    run_pieces(regress, bounds, threads)
    parts = [blocks[first] for first in sorted(blocks)]
    of_items = vstack(parts, format="csr") if parts else csr_matrix(gram.shape, dtype=np.float32)
    return ItemItemModel(of_items.T.tocsr())


def require_few_pairs(lengths: Ints, n_items: int, bound: int) -> None:
    """Raises JobError when users of so many items each may have more pairs of them than fit."""
    n_pairs = min(int((lengths.astype(np.float64) ** 2).sum()), n_items**2)
    most = bound**2 * 3 // 2  # 12 bytes a cell in EASE, 8 a pair here
    if n_pairs > most:
        raise JobError(
            f"sparse_ease holds the pairs of items that users have, at most {most:,}",
            f"{n_items:,} items may have {n_pairs:,}",
            "Leave it out of recommend.search.space, or raise recommend.max_item_pairs and memory "
            f"with it ({n_pairs * 8 / 2**30:,.1f} GB in one task)",
        )
