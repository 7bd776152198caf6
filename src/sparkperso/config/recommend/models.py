"""The settings of one candidate of each model; together they are the search space."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sparkperso.config.recommend.own_models import own_model, own_models
from sparkperso.config.recommend.sessions import SessionKnnParams
from sparkperso.core.section import Section

Days = Annotated[float, Field(gt=0)]


class WithPrior(Section):
    """What every personal model may add: a say for what sells just now."""

    prior_half_life_days: Days | None = None
    """Scores are multiplied by an item's share of the pairs, each halved per half-life of age,
    over its share of all pairs; None: they are left alone."""


class PopularityParams(Section):
    """Users per item, the same list for everybody, or for everybody of a scope."""

    model: Literal["popularity"] = "popularity"
    half_life_days: Days | None = None
    """Age at which a pair counts half; None: age does not matter."""
    window_days: Days | None = None
    """Only pairs touched in the last days count; None: all."""
    scope: str | None = None
    """Name of a user attribute (`country`, `segment`): users are shown what is popular among those
    with the same value; None: what is popular with all."""


class KnnParams(WithPrior):
    """Item-kNN: items near those that the user has."""

    model: Literal["item_knn"] = "item_knn"
    similarity: Literal["cosine", "tfidf", "bm25"] = "bm25"
    """How users' rows are weighted before items are compared."""
    n_neighbours: int = Field(default=100, ge=1)
    """Neighbours kept per item."""
    k1: float = Field(default=1.2, gt=0)
    """BM25's saturation."""
    b: float = Field(default=0.5, ge=0, le=1)
    """BM25's normalisation by the length of a user's history."""


class EaseParams(WithPrior):
    """EASE (Steck 2019): the closed-form linear item-item model."""

    model: Literal["ease"] = "ease"
    reg_param: float = Field(default=500.0, gt=0)
    """Ridge on the Gram matrix."""


class SparseEaseParams(WithPrior):
    """EASE on each item's neighbours (Steck 2019; Ning and Karypis 2011): for large catalogues."""

    model: Literal["sparse_ease"] = "sparse_ease"
    reg_param: float = Field(default=500.0, gt=0)
    """Ridge on the Gram matrix."""
    n_neighbours: int = Field(default=100, ge=1, le=1000)
    """Items that an item is explained by; time grows with their third power."""


class GraphFilterParams(WithPrior):
    """Graph filters (Shen et al. 2021; Park et al. 2024): histories smoothed over the graph."""

    model: Literal["graph_filter"] = "graph_filter"
    user_exponent: float = Field(default=0.5, ge=0, le=1)
    """How much a pair counts less for a long history (1) rather than for a popular item (0)."""
    power: float = Field(default=1.0, gt=0)
    """Power that similarities are raised to: above 1 near items count more."""
    n_neighbours: int = Field(default=1000, ge=1)
    """Similarities kept per item."""
    low_pass: float = Field(default=0.3, ge=0)
    """Weight of the ideal low-pass beside the similarities; 0: similarities alone."""
    rank: int = Field(default=256, ge=1, le=1024)
    """Singular vectors of the low-pass; at most a quarter of the users, or of the items."""


class AlsParams(WithPrior):
    """ALS: the settings of Spark's pyspark.ml.recommendation.ALS."""

    model: Literal["als_implicit"] = "als_implicit"
    rank: int = Field(default=32, ge=1, le=512)
    """Length of the factors."""
    reg_param: float = Field(default=0.1, gt=0)
    """Regularisation, multiplied by the number of a user's or item's ratings."""
    alpha: float = Field(default=1.0, ge=0)
    """Growth of confidence with strength."""
    max_iter: int = Field(default=10, ge=1, le=100)
    """Alternations."""
    values: Literal["binary", "strength"] = "binary"
    """What counts as the strength of a pair: 1, or its decayed weight."""


class ExplicitParams(Section):
    """ALS on ratings, chosen by RMSE."""

    model: Literal["als_explicit"] = "als_explicit"
    rank: int = Field(default=8, ge=1, le=512)
    """Length of the factors."""
    reg_param: float = Field(default=0.1, gt=0)
    """Regularisation, multiplied by the number of a user's or item's ratings."""
    max_iter: int = Field(default=10, ge=1, le=100)
    """Alternations."""


class ContentParams(WithPrior):
    """Items like those that the user has, by text, category and price."""

    model: Literal["content"] = "content"
    text_weight: float = Field(default=1.0, ge=0)
    """Weight of the words of title and tags."""
    category_weight: float = Field(default=1.0, ge=0)
    """Weight of the category."""
    price_weight: float = Field(default=0.5, ge=0)
    """Weight of the price's bucket."""


class LastSessionParams(WithPrior, SessionKnnParams):
    """VMIS-kNN on a person's last session: what comes next, for people who were here lately.

    Sessions are cut from the pairs of users and items, which keep their last touch alone.
    """

    gap_minutes: float = Field(default=30.0, gt=0)
    """Time between two of a person's pairs that begins another session."""
    recent_days: Days = 7.0
    """Age of the latest pair up to which a person is scored; others get nothing of this model."""


def _part(part: Any) -> Any:
    """A part of a blend: its settings, or what they were written as."""
    return parse_params(part) if isinstance(part, dict) else part


class HybridParams(Section):
    """A blend: every part's scores over their spread, times a weight by length of history."""

    model: Literal["hybrid"] = "hybrid"
    parts: tuple[Annotated[Any, BeforeValidator(_part)], ...] = Field(max_length=32)
    """The models that are blended."""
    weights: dict[str, tuple[float, ...]]
    """History bucket (0, 1-4, 5-19, 20+) → a weight per part."""


PARAMS: dict[str, type[Section]] = {
    str(kind.model_fields["model"].default): kind
    for kind in (
        PopularityParams, KnnParams, EaseParams, SparseEaseParams, GraphFilterParams, AlsParams,
        ExplicitParams, ContentParams, LastSessionParams, HybridParams,
    )
}  # fmt: skip


def parse_params(settings: dict[str, Any]) -> Any:
    """Returns the settings of one candidate as its model's class.

    It is one of PARAMS, or a model of another package (`own_models`). Raises ValueError (pydantic's
    ValidationError is one) for an unknown model and for wrong settings.

    >>> parse_params({"model": "ease", "reg_param": 100}).reg_param
    100.0
    """
    return settings_class(str(settings.get("model"))).model_validate(settings)


def settings_class(name: str) -> Any:
    """Returns the class of a model's settings; raises ValueError for an unknown model."""
    kind = PARAMS.get(name)
    if kind is None and name in own_models():
        kind = own_model(name).Params
    if kind is None:
        raise ValueError(f"model should be one of {', '.join(known_models())}: {name}")
    return kind


def known_models() -> list[str]:
    """Returns the names of all models: the suite's, then those of other packages."""
    return [*PARAMS, *(name for name in own_models() if name not in PARAMS)]
