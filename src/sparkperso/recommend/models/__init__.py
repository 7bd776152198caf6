"""All models, by the name that stands in their settings: how they are fitted and read back."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from sparkperso.config.models import EaseParams
from sparkperso.recommend.catalogue import Catalogue
from sparkperso.recommend.histories import Histories
from sparkperso.recommend.models import als, content, ease, hybrid, knn, popularity
from sparkperso.recommend.models.base import Arrays, FitSetting, Fitted

MODELS: dict[str, ModuleType] = {
    "popularity": popularity,
    "item_knn": knn,
    "ease": ease,
    "als_implicit": als,
    "content": content,
    "hybrid": hybrid,
}


def fit_model(
    params: Any, users: Histories, catalogue: Catalogue, setting: FitSetting | None = None
) -> Fitted:
    """Returns the model of these settings, fitted in this process on these training users."""
    fitted: Fitted = MODELS[params.model].fit(params, users, catalogue, setting or FitSetting())
    return fitted


def require_possible(candidates: Iterable[Any], n_items: int, setting: FitSetting) -> None:
    """Raises JobError for a model that a catalogue of so many items is too large for.

    To be asked before tasks are sent out: what a task raises comes back as an error of Spark's.
    """
    for params in candidates:
        if isinstance(params, EaseParams):
            ease.require_small(n_items, setting.max_item_pairs, "EASE")


def load_model(params: Any, arrays: Arrays) -> Fitted:
    """Returns the fitted model that gave these arrays."""
    fitted: Fitted = MODELS[params.model].load(params, arrays)
    return fitted
