"""The section `recommend`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sparkperso.config.promotion import PromotionConfig
from sparkperso.config.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]
Days = Annotated[float, Field(gt=0)]


class InteractionsConfig(Section):
    """How events become one strength per (user, item)."""

    weights: dict[str, float] = Field(default_factory=lambda: {"purchase": 1.0, "refund": -1.0})
    """Event type → weight. Types that are not named do not count; a weight may be negative."""
    half_life_days: Days | None = None
    """Age at which an event counts half; None: age does not matter."""


class SplitConfig(Section):
    """Where time is cut. Shares are of the events that name a user and an item, in time order."""

    test_from: Share = 0.8
    """Share of the events before the cut; those after it are the test."""
    fold_ends: tuple[Share, ...] = (0.6, 0.7)
    """Where the training parts of the folds end; each fold is tried on what follows, up to the
    next end, the last up to `test_from`. Every fold trains on all that lies before its end."""
    relevant: tuple[str, ...] = ("purchase", "rating")
    """Event types that make an item a right answer after the cut."""

    @model_validator(mode="after")
    def _in_order(self) -> SplitConfig:
        ends = (*self.fold_ends, self.test_from)
        if not self.fold_ends or list(ends) != sorted(set(ends)):
            raise ValueError("fold_ends should be one or more growing shares below test_from")
        return self


class PopularityParams(Section):
    """One popularity candidate: weighted events per item, the same list for every user."""

    half_life_days: Days | None = None
    """Age at which an event counts half; None: age does not matter."""
    window_days: Days | None = None
    """Only events of the last days count; None: all."""


class AlsParams(Section):
    """One ALS candidate: the settings of Spark's pyspark.ml.recommendation.ALS."""

    rank: int = Field(default=32, ge=1, le=512)
    """Length of the factors."""
    reg_param: float = Field(default=0.1, ge=0)
    """Regularisation; MLlib multiplies it by the number of a user's or item's ratings."""
    alpha: float = Field(default=1.0, ge=0)
    """Growth of confidence with strength (implicit only)."""
    max_iter: int = Field(default=10, ge=1, le=25)
    """Alternations; without a checkpoint folder more would overflow the stack."""


class ImplicitParams(AlsParams):
    """ALS on strengths (Hu, Koren and Volinsky 2008), with a say for what sells just now."""

    trend_weight: float = Field(default=0.0, ge=0)
    """Weight of the item's recent popularity (0 to 1) beside the factors' product; 0: none."""
    trend_half_life_days: Days = 14
    """Age at which an event counts half in that popularity."""


class SearchConfig(Section):
    """The search space: lists of candidates, kept as data."""

    popularity: tuple[PopularityParams, ...] = (PopularityParams(),)
    """Candidates for the baseline."""
    als_implicit: tuple[ImplicitParams, ...] = (ImplicitParams(),)
    """Candidates for implicit ALS, chosen by `ndcg_at_k`."""
    als_explicit: tuple[AlsParams, ...] = ()
    """Candidates for explicit ALS, chosen by RMSE; tried only where rating events exist."""
    k: int = Field(default=10, ge=1, le=100)
    """Length of the lists that are judged."""
    parallelism: int = Field(default=2, ge=1, le=32)
    """Candidates fitted at the same time."""


class MinimumConfig(Section):
    """Fewer than these to train on: the job ends with exit status 3, the champion stays."""

    users: int = Field(default=50, ge=1)
    """Users with an interaction."""
    items: int = Field(default=50, ge=1)
    """Items with an interaction."""
    interactions: int = Field(default=500, ge=1)
    """(user, item) pairs."""
    test_users: int = Field(default=20, ge=1)
    """Users that the test can judge."""


class BootstrapConfig(Section):
    """The interval of the test's figures."""

    n_buckets: int = Field(default=2000, ge=100, le=20_000)
    """Users are hashed into these; only sums per bucket reach the driver."""
    n_resamples: int = Field(default=2000, ge=100, le=100_000)
    """Resamples of the buckets."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence level."""


class ListsConfig(Section):
    """What build-recommendations writes."""

    n_items: int = Field(default=20, ge=1, le=1000)
    """Length of a user's list."""
    n_similar: int = Field(default=10, ge=1, le=1000)
    """Similar items per item."""
    n_popular: int = Field(default=50, ge=1, le=10_000)
    """Popular items per scope."""
    popular_by_country: bool = True
    """Popular items per country (`country:GB`) beside the global list."""
    popular_min_events: int = Field(default=100, ge=1)
    """Countries with fewer counted events get no list of their own."""


class RecommendConfig(Section):
    """How recommenders are trained and their lists built."""

    seed: int = Field(default=42, ge=0)
    """Seed of factors, samples and the bootstrap."""
    num_blocks: int = Field(default=1, ge=1, le=1000)
    """Blocks of users and of items in ALS; fixed, since the factors depend on it. With one, they
    are the same to the bit wherever they are fitted."""
    max_driver_items: int = Field(default=500_000, ge=1)
    """Largest number of items whose factors may be held in one process."""
    interactions: InteractionsConfig = Field(default_factory=InteractionsConfig)
    split: SplitConfig = Field(default_factory=SplitConfig)
    search: SearchConfig = Field(default_factory=SearchConfig)
    minimum: MinimumConfig = Field(default_factory=MinimumConfig)
    bootstrap: BootstrapConfig = Field(default_factory=BootstrapConfig)
    promotion: PromotionConfig = Field(default_factory=PromotionConfig)
    lists: ListsConfig = Field(default_factory=ListsConfig)


Strategy = Literal["popularity", "als_implicit", "als_explicit"]
"""Names of the models."""
