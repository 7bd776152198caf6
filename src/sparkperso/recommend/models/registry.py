"""The table of models: fitted by the name in their settings, and read back."""

from __future__ import annotations

from typing import Any, Final

from sparkperso.config.recommend.models import HybridParams
from sparkperso.config.recommend.own_models import own_model
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.models import (
    als,
    content,
    ease,
    graph_filter,
    item_knn,
    popularity,
    session_knn,
    sparse_ease,
)
from sparkperso.recommend.models.base import Arrays, FitSetting, Fitted, Model
from sparkperso.recommend.models.hybrid import HybridModel, arrays_of_parts, weight_table

# A hybrid is no entry: its parts are models of this table.
MODELS: Final[dict[str, Model]] = {
    "popularity": popularity,
    "item_knn": item_knn,
    "ease": ease,
    "sparse_ease": sparse_ease,
    "graph_filter": graph_filter,
    "als_implicit": als,
    "content": content,
    "session_knn": session_knn,
}


def fit_model(
    params: Any, users: Histories, catalogue: Catalogue, setting: FitSetting | None = None
) -> Fitted:
    """Returns the model of these settings, fitted in this process on these training users.

    `users` are those with a history, of which the latest `setting.max_user_items` items count;
    `catalogue` has the items of their columns, in that order.
    Without a `setting` the seed is 42, on one thread. Raises JobError for a model of items × items
    on a catalogue above `setting.max_item_pairs`.
    """
    setting = setting or FitSetting()
    users = users.latest(setting.max_user_items)
    if isinstance(params, HybridParams):
        parts = [fit_model(part, users, catalogue, setting) for part in params.parts]
        return HybridModel(parts, weight_table(params))
    return model_named(params.model).fit(params, users, catalogue, setting)


def load_model(params: Any, arrays: Arrays) -> Fitted:
    """Returns the fitted model that gave these arrays (`Fitted.arrays`).

    It scores to the bit as that one did. Raises KeyError where an array is missing.
    """
    if isinstance(params, HybridParams):
        own = arrays_of_parts(params, arrays)
        parts = [load_model(part, of_part) for part, of_part in zip(params.parts, own, strict=True)]
        return HybridModel(parts, arrays["weights"])
    return model_named(params.model).load(params, arrays)


def model_named(name: str) -> Model:
    """Returns the model of a name, of this package or of another; raises KeyError for none."""
    own: Model = MODELS[name] if name in MODELS else own_model(name)
    return own
