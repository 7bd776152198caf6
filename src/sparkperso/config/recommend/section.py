"""The section `recommend`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sparkperso.config.recommend.criterion import METRICS, Criterion, Metric
from sparkperso.config.recommend.data_size import DataSize, When
from sparkperso.config.recommend.lists import ListsConfig
from sparkperso.config.recommend.models import ExplicitParams
from sparkperso.config.recommend.off_policy import OffPolicyConfig
from sparkperso.config.recommend.promotion import PromotionConfig
from sparkperso.config.recommend.sessions import SessionsConfig
from sparkperso.core.section import Section

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
    """Event types that make an item relevant after the cut."""

    @model_validator(mode="after")
    def _in_order(self) -> SplitConfig:
        ends = (*self.fold_ends, self.test_from)
        if not self.fold_ends or list(ends) != sorted(set(ends)):
            raise ValueError("fold_ends should be one or more growing shares below test_from")
        return self


class HybridConfig(Section):
    """How the best candidates of each model are blended."""

    enabled: bool = True
    """Whether a blend is tried at all."""
    steps: int = Field(default=5, ge=1, le=10)
    """Weights are multiples of 1 ÷ steps; all that add up to 1 are tried on the folds."""
    max_parts: int = Field(default=5, ge=2, le=6)
    """The best so many models are blended."""
    one_of: tuple[tuple[str, ...], ...] = (("item_knn", "graph_filter"),)
    """Models that learn alike: the best of each group alone is blended, so that it leaves room for
    what differs."""
    min_bucket_users: int = Field(default=100, ge=1)
    """Buckets of histories with fewer judged users share the weights that are best for all."""


class RungConfig(Section):
    """What candidates are tried on before they are given up."""

    users: float = Field(gt=0, le=1)
    """Share of the users that models are fitted on and judged by."""
    iterations: float = Field(default=1.0, gt=0, le=1)
    """Share of the iterations, of models that iterate."""
    keep: Share
    """Share of each model's candidates that go on, rounded up."""


class HalvingConfig(Section):
    """Successive halving (Jamieson and Talwalkar 2016)."""

    when: When = Field(default_factory=When)
    """On which data; on others all candidates are tried in full."""
    rungs: tuple[RungConfig, ...] = ()
    """One after the other; who is left after the last is tried in full. None: all are."""

    def rungs_for(self, size: DataSize) -> tuple[RungConfig, ...]:
        """Returns the rungs on data of a size."""
        return self.rungs if self.when.holds(size) else ()


class SearchConfig(Section):
    """The search space, kept as data, and how thoroughly it is searched."""

    k: int = Field(default=10, ge=1, le=100)
    """Length of the lists that are judged."""
    metric: Metric = "ndcg"
    """What candidates are chosen, blended, tested and promoted by, at k."""
    method: Literal["grid", "random"] = "grid"
    """Every combination of the entries' lists, or `n_candidates` drawn at random."""
    n_candidates: int = Field(default=24, ge=1, le=10_000)
    """Candidates drawn by the random method."""
    space: tuple[dict[str, Any], ...] = ({"model": "ease"}, {"model": "als_implicit"})
    """Entries of a model and its settings; a list stands for one value after the other, and
    {low, high, log} for a range (random only). Popularity is always tried."""
    explicit: tuple[ExplicitParams, ...] = ()
    """Candidates for ALS on ratings, chosen by RMSE; tried only where rating events exist."""
    halving: HalvingConfig = Field(default_factory=HalvingConfig)
    """How candidates are given up on a part of the data."""
    patience: int | None = Field(default=None, ge=1)
    """ALS stops when the validation metric has not grown for so many looks (one every two
    iterations); None: never."""
    hybrid: HybridConfig = Field(default_factory=HybridConfig)

    @property
    def criterion(self) -> Criterion:
        """The metric that decides, at k."""
        return Criterion(self.k, self.metric)

    @field_validator("metric", mode="before")
    @classmethod
    def _without_length(cls, metric: Any) -> Any:
        name, _, k = str(metric).partition("_at_")
        if k and name in METRICS:
            raise ValueError(f"the length of the lists is search.k: say {name}, and k: {k}")
        return metric


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


class RecommendConfig(Section):
    """How recommenders are trained and their lists built."""

    seed: int = Field(default=42, ge=0)
    """Seed of factors, samples and the bootstrap."""
    engine: Literal["auto", "kernel", "blocks", "mllib"] = "auto"
    """What fits ALS: the compiled kernel, whole in one task; the same in blocks across tasks;
    Spark's MLlib; auto: the kernel up to `one_task_pairs`, blocks above."""
    one_task_pairs: int = Field(default=20_000_000, ge=1)
    """Largest number of (user, item) pairs that one task holds; about 100 bytes each."""
    driver_pairs: int = Field(default=1_000_000, ge=0)
    """Up to so many (user, item) pairs training with the kernel works in the driver's process, on
    its cores; more go to tasks. About 200 bytes each, and as much again for every fit at a time."""
    max_item_pairs: int = Field(default=10_000, ge=1)
    """Largest catalogue for models that hold items × items (EASE: items² × 12 bytes)."""
    max_user_items: int = Field(default=2_000, ge=10)
    """Models learn from the latest so many items of a user; what similarities cost grows with the
    square of a history's length. Lists know the whole history."""
    num_blocks: int = Field(default=1, ge=1, le=1000)
    """Blocks of users and of items in MLlib's ALS; fixed, since the factors depend on it. With
    one, they are the same to the bit wherever they are fitted."""
    max_driver_items: int = Field(default=500_000, ge=1)
    """Largest number of items whose factors may be held in one process."""
    interactions: InteractionsConfig = Field(default_factory=InteractionsConfig)
    split: SplitConfig = Field(default_factory=SplitConfig)
    search: SearchConfig = Field(default_factory=SearchConfig)
    minimum: MinimumConfig = Field(default_factory=MinimumConfig)
    bootstrap: BootstrapConfig = Field(default_factory=BootstrapConfig)
    promotion: PromotionConfig = Field(default_factory=PromotionConfig)
    """Checks of a candidate before it becomes champion."""
    off_policy: OffPolicyConfig = Field(default_factory=OffPolicyConfig)
    """What decisions say of the models that are tested."""
    lists: ListsConfig = Field(default_factory=ListsConfig)
    sessions: SessionsConfig = Field(default_factory=SessionsConfig)
    """Models of what comes next in a session."""
