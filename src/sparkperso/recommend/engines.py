"""Where a model is fitted: whole in one task, in blocks across tasks, or by MLlib."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.models import AlsParams, HybridParams
from sparkperso.config.recommend import RecommendConfig
from sparkperso.recommend.across import Across
from sparkperso.recommend.blocks import fit_als_blocks
from sparkperso.recommend.catalogue import Catalogue
from sparkperso.recommend.histories import Singles
from sparkperso.recommend.mllib import MllibSetting, fit_mllib
from sparkperso.recommend.models import require_possible
from sparkperso.recommend.models.als import AlsModel
from sparkperso.recommend.models.base import FitSetting, Fitted
from sparkperso.recommend.models.hybrid import HybridModel, weight_table
from sparkperso.recommend.models.prior import WithPrior
from sparkperso.recommend.tasks import fit_in_tasks


@dataclass(frozen=True)
class Engine:
    """What fits models, and why."""

    name: str
    """kernel (compiled, one fit is one task), blocks (across tasks) or mllib (ALS only)."""
    reason: str

    def is_whole(self, params: Any) -> bool:
        """Says whether a candidate is fitted whole, inside one task."""
        return self.name == "kernel" or (self.name == "mllib" and params.model != "als_implicit")


def choose_engine(asked: str, n_pairs: int, one_task_pairs: int) -> Engine:
    """Returns the engine that the configuration asks for; `auto` goes by the number of pairs."""
    if asked != "auto":
        return Engine(asked, "as recommend.engine says")
    why = f"{n_pairs:,} pairs; up to {one_task_pairs:,} (recommend.one_task_pairs) fit one task"
    return Engine("kernel" if n_pairs <= one_task_pairs else "blocks", why)


@dataclass(frozen=True)
class Fitter:
    """Fits models on profiles with one engine."""

    engine: Engine
    catalogue: Catalogue
    setting: FitSetting
    mllib: MllibSetting

    def fit(self, profiles: DataFrame, candidates: Mapping[str, Any]) -> dict[str, Fitted]:
        """Returns the fitted models by name. A blend's parts are fitted once each.

        Raises JobError for a model that its engine cannot fit.
        """
        distinct = {str(part): part for p in candidates.values() for part in parts_of(p)}
        require_possible(distinct.values(), len(self.catalogue), self.setting)
        whole = {key: p for key, p in distinct.items() if self.engine.is_whole(p)}
        fitted = fit_in_tasks(profiles, whole, self.catalogue, self.setting)
        fitted |= {k: self.fit_frame(profiles, p) for k, p in distinct.items() if k not in whole}
        return {name: _assembled(params, fitted) for name, params in candidates.items()}

    def fit_frame(self, profiles: DataFrame, params: Any) -> Fitted:
        """Returns a model fitted by Spark jobs, the pairs staying in their partitions."""
        taught = profiles.where(F.size("items") > 0)
        across = Across(taught, self.catalogue, self.setting)
        if isinstance(params, AlsParams):
            inner: Fitted = AlsModel(params, self._als(taught, len(self.catalogue), params))
        else:
            inner = across.fit(params)
        half_life = getattr(params, "prior_half_life_days", None)
        if half_life is None:
            return inner
        return WithPrior(inner, across.prior(half_life).astype(np.float32))

    def _als(self, profiles: DataFrame, n_items: int, params: AlsParams) -> Singles:
        if self.engine.name == "mllib":
            return fit_mllib(profiles, n_items, params, self.mllib)
        return fit_als_blocks(
            valued(profiles, params.values),
            n_items,
            rank=params.rank,
            reg_param=params.reg_param,
            alpha=params.alpha,
            max_iter=params.max_iter,
            implicit=True,
            seed=self.setting.seed,
        )


def make_fitter(config: RecommendConfig, catalogue: Catalogue, n_pairs: int) -> Fitter:
    """Returns what fits models on `n_pairs` (user, item) pairs, by the configuration's engine."""
    engine = choose_engine(config.engine, n_pairs, config.one_task_pairs)
    setting = FitSetting(config.seed, max_item_pairs=config.max_item_pairs)
    return Fitter(engine, catalogue, setting, MllibSetting(config.seed, config.num_blocks))


def parts_of(params: Any) -> tuple[Any, ...]:
    """Returns the parts of a blend; a model of its own is its only part."""
    return params.parts if isinstance(params, HybridParams) else (params,)


def valued(profiles: DataFrame, values: str) -> DataFrame:
    """Returns the profiles with strengths as they are, or 1 for every preference ('binary')."""
    if values == "strength":
        return profiles
    ones = F.transform("strengths", lambda s: F.when(s > 0, 1.0).otherwise(0.0).cast("float"))
    return profiles.withColumn("strengths", ones)


def _assembled(params: Any, fitted: Mapping[str, Fitted]) -> Fitted:
    if not isinstance(params, HybridParams):
        return fitted[str(params)]
    return HybridModel([fitted[str(part)] for part in params.parts], weight_table(params))
