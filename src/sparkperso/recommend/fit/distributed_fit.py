"""Models fitted where no task holds all pairs: Spark adds up, the driver holds sums by item.

Each model's own module says how it is made of such sums (`popularity.model_of`, `ease.closed_form`,
`sparse_ease.model_of`, `item_knn.nearest_of`, `graph_filter.model_of`, `content.model_of`), so that
both ways lead through
the same code at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix, vstack

from sparkperso.config.recommend.models import (
    ContentParams,
    EaseParams,
    GraphFilterParams,
    KnnParams,
    PopularityParams,
    SparseEaseParams,
)
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.numbers import Floats, Ints
from sparkperso.recommend.data.item_aggregates import AGE, item_sums, token_sums
from sparkperso.recommend.fit.distributed_als import gram_blocks, weighted_gram_blocks
from sparkperso.recommend.models import (
    content,
    ease,
    graph_filter,
    item_knn,
    popularity,
    sparse_ease,
)
from sparkperso.recommend.models.base import FitSetting, Fitted
from sparkperso.recommend.models.item_item import ItemItemModel
from sparkperso.recommend.models.recency_prior import share_ratio

ROWS = 1000
"""Rows of an items × items matrix looked through at a time."""


@dataclass(frozen=True)
class DistributedFit:
    """Fits models on the training users' profiles in their partitions, one Spark job per sum."""

    profiles: DataFrame
    """Users with a history."""
    catalogue: Catalogue
    setting: FitSetting

    @one_thread()
    def fit(self, params: Any) -> Fitted:
        """Returns what `models.fit_model` does, up to rounding; ALS and priors are not for it.

        Raises JobError for a model of items × items on too large a catalogue. AssertionError for
        settings of another model is a fault of the caller.
        """
        if isinstance(params, PopularityParams):
            return self._popularity(params)
        if isinstance(params, ContentParams):
            return self._content(params)
        if isinstance(params, KnnParams):
            return self._knn(params)
        if isinstance(params, GraphFilterParams):
            return self._graph_filter(params)
        if isinstance(params, SparseEaseParams):
            gram = csr_matrix(self._gram("sparse_ease in blocks"), dtype=np.float32)
            return sparse_ease.model_of(params, gram)
        assert isinstance(params, EaseParams), params
        return ItemItemModel(ease.closed_form(self._gram().astype(np.float32), params.reg_param))

    def prior(self, half_life_days: float) -> Floats:
        """Returns `models.recency_prior.recency_prior` (items,) of a half-life in days."""
        return share_ratio(self._sums(_halved(half_life_days)), self._counts)

    @property
    def _n_items(self) -> int:
        return len(self.catalogue)

    @cached_property
    def _counts(self) -> Floats:
        return self._sums(F.lit(1))

    def _sums(self, weight: Column) -> Floats:
        return item_sums(self.profiles, self._n_items, weight)

    def _gram(self, model: str = "EASE") -> Floats:
        ease.require_small(self._n_items, self.setting.max_item_pairs, model)
        return gram_blocks(self.profiles, self._n_items, self.setting.max_item_pairs)

    def _popularity(self, params: PopularityParams) -> Fitted:
        weight = F.lit(1.0) if params.half_life_days is None else _halved(params.half_life_days)
        if params.window_days is not None:
            weight = F.when(F.col(AGE) < params.window_days, weight).otherwise(0.0)
        everybody = self._sums(weight)
        if params.scope is None:
            return popularity.model_of(everybody, {})
        start = f"{params.scope}="
        tokens = F.filter("attributes", lambda token: token.startswith(start))
        names, sums = token_sums(self.profiles, self._n_items, weight, tokens)
        scopes = {name: sums[row].toarray()[0] for row, name in enumerate(names)}
        return popularity.model_of(everybody, scopes)

    def _content(self, params: ContentParams) -> Fitted:
        known = F.array_distinct("attributes")
        tokens, liked = token_sums(self.profiles, self._n_items, F.lit(1), known)
        shared = [row for row, token in enumerate(tokens) if content.is_shared(token)]
        vectors = content.item_vectors(params, self.catalogue)
        return content.model_of(vectors, tokens[shared], liked[shared].astype(np.float32))

    def _knn(self, params: KnnParams) -> Fitted:
        similarities = self._bm25 if params.similarity == "bm25" else self._cosines
        return item_knn.model_of(self._nearest(similarities(params), params.n_neighbours))

    def _nearest(self, similar: Floats, n_neighbours: int) -> csr_matrix:
        blocks = [
            item_knn.nearest_of(
                csr_matrix(similar[first : first + ROWS], dtype=np.float32), first, n_neighbours
            )
            for first in range(0, self._n_items, ROWS)
        ]
        return vstack(blocks).tocsr()

    def _graph_filter(self, params: GraphFilterParams) -> Fitted:
        ease.require_small(self._n_items, self.setting.max_item_pairs, "graph_filter in blocks")
        gram = self._weighted_gram(
            lambda lengths: graph_filter.user_weights(lengths, params.user_exponent),
            graph_filter.item_weights(self._counts, params.user_exponent),
        )
        n_signals = graph_filter.n_signals(params, self.profiles.count(), self._n_items)
        signals = graph_filter.low_pass(gram, n_signals, self.setting.seed)
        near = self._nearest(gram, params.n_neighbours)
        return graph_filter.model_of(params, near, signals, self._counts)

    def _cosines(self, params: KnnParams) -> Floats:
        """Returns items × items; TF-IDF differs for items that everybody has only."""
        gram = self._gram("item_knn in blocks")
        counts = np.diag(gram)
        lengths = np.sqrt(np.where(counts > 0, counts, 1))
        if params.similarity == "tfidf":
            lengths[item_knn.rarity_of(counts, self.profiles.count()) == 0] = np.inf
        return gram / lengths / lengths[:, None]

    def _bm25(self, params: KnnParams) -> Floats:
        ease.require_small(self._n_items, self.setting.max_item_pairs, "item_knn in blocks")
        n_users = self.profiles.count()
        mean = self._counts.sum() / max(n_users, 1)
        return self._weighted_gram(
            lambda lengths: item_knn.user_weights(params, lengths, mean),
            item_knn.rarity_of(self._counts, n_users),
        )

    def _weighted_gram(self, of_users: Callable[[Ints], Floats], of_items: Floats) -> Floats:
        """Returns items × items: products of columns whose pairs are weighted by user and by item.

        `of_users` gives the weights of users with so many pairs each.
        """

        def weigh(lengths: Ints) -> Floats:
            # Squared: of the two columns of a product each carries the user's weight.
            squared: Floats = of_users(lengths) ** 2
            return squared

        gram = weighted_gram_blocks(
            self.profiles, self._n_items, weigh, self.setting.max_item_pairs
        )
        gram *= of_items
        gram *= of_items[:, None]
        return gram


def _halved(half_life_days: float) -> Column:
    return F.pow(F.lit(0.5), F.col(AGE) / half_life_days)
