"""Fits of one model on the same users that share what takes longest.

1. `family_of` says which candidates share: those of one key.
2. `shared_fit` works out what a family shares, once, and returns what fits its members from it.
3. What is shared lives as long as that function, one family at a time in each thread or task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sparkperso.config.recommend.models import (
    EaseParams,
    GraphFilterParams,
    KnnParams,
    SparseEaseParams,
)
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.models import ease, fit_model, graph_filter, item_knn, sparse_ease
from sparkperso.recommend.models.base import FitSetting, Fitted
from sparkperso.recommend.models.item_item import ItemItemModel
from sparkperso.recommend.models.recency_prior import column_sums, without_prior


def family_of(params: Any) -> str:
    """Returns what candidates have in common that share their fits."""
    own = SHARES[type(params)].differ_in if type(params) in SHARES else set()
    settings: str = without_prior(params).model_dump_json(exclude=own)
    return settings


def shared_fit(
    family: Sequence[Any], users: Histories, catalogue: Catalogue, setting: FitSetting
) -> Callable[[Any], Fitted]:
    """Returns what fits the members of a family on these training users, without their priors.

    As `models.fit_model` does, but for singular vectors: the first of more are nearer to the exact
    ones. Raises what fitting raises.
    """
    users = users.latest(setting.max_user_items)
    if len({without_prior(params) for params in family}) > 1:
        return SHARES[type(family[0])].fit(family, users, catalogue, setting)
    return lambda params: fit_model(without_prior(params), users, catalogue, setting)


def _ease(
    family: Sequence[EaseParams], users: Histories, catalogue: Catalogue, setting: FitSetting
) -> Callable[[EaseParams], Fitted]:
    ease.require_small(len(catalogue), setting.max_item_pairs, "EASE")
    gram = users.item_gram
    return lambda params: ItemItemModel(ease.closed_form(gram, params.reg_param))


def _sparse_ease(
    family: Sequence[SparseEaseParams],
    users: Histories,
    catalogue: Catalogue,
    setting: FitSetting,
) -> Callable[[SparseEaseParams], Fitted]:
    gram = sparse_ease.gram_of(users, setting)
    return lambda params: sparse_ease.model_of(params, gram, setting.threads)


def _item_knn(
    family: Sequence[KnnParams], users: Histories, catalogue: Catalogue, setting: FitSetting
) -> Callable[[KnnParams], Fitted]:
    most = max(params.n_neighbours for params in family)
    near = item_knn.nearest(item_knn.weigh(family[0], users.likes), most)
    return lambda params: item_knn.model_of(item_knn.nearest_of(near, 0, params.n_neighbours))


def _graph_filter(
    family: Sequence[GraphFilterParams],
    users: Histories,
    catalogue: Catalogue,
    setting: FitSetting,
) -> Callable[[GraphFilterParams], Fitted]:
    weighted = graph_filter.normalised(users.likes, family[0].user_exponent)
    most_signals = max(graph_filter.n_signals(params, *weighted.shape) for params in family)
    signals = graph_filter.low_pass(weighted, most_signals, setting.seed)
    near = item_knn.nearest(weighted, max(params.n_neighbours for params in family))
    counts = column_sums(users.likes)

    def fit(params: GraphFilterParams) -> Fitted:
        # Singular values fall from left to right.
        own = signals[:, : graph_filter.n_signals(params, *weighted.shape)]
        return graph_filter.model_of(
            params, item_knn.nearest_of(near, 0, params.n_neighbours), own, counts
        )

    return fit


@dataclass(frozen=True)
class Share:
    """How candidates of one model share."""

    differ_in: set[str]
    """Settings in which those that share may differ, beside the recency prior."""
    fit: Callable[..., Callable[[Any], Fitted]]
    """What `shared_fit` returns for them."""


SHARES: dict[type[Any], Share] = {
    EaseParams: Share({"reg_param"}, _ease),
    SparseEaseParams: Share({"reg_param", "n_neighbours"}, _sparse_ease),
    KnnParams: Share({"n_neighbours"}, _item_knn),
    GraphFilterParams: Share({"n_neighbours", "rank", "low_pass", "power"}, _graph_filter),
}
