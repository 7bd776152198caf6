"""Where a model is fitted: whole in one task, in blocks across tasks, or by MLlib."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.models import AlsParams, HybridParams
from sparkperso.config.recommend.section import RecommendConfig
from sparkperso.core.errors import JobError
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Singles
from sparkperso.recommend.data.user_histories import latest_items
from sparkperso.recommend.fit.distributed_als import fit_als_blocks
from sparkperso.recommend.fit.distributed_fit import DistributedFit
from sparkperso.recommend.fit.fit_failures import FAILURES, obstacle, reason_of
from sparkperso.recommend.fit.mllib import MllibSetting, fit_mllib
from sparkperso.recommend.fit.task_runner import try_fit_here, try_fit_in_tasks
from sparkperso.recommend.models.als import AlsModel
from sparkperso.recommend.models.base import FitSetting, Fitted
from sparkperso.recommend.models.hybrid import HybridModel, weight_table
from sparkperso.recommend.models.recency_prior import WithPrior

Users = DataFrame | Histories
"""One row per user: in their partitions, or in this process's memory."""


@dataclass(frozen=True)
class Engine:
    """What fits models, and why."""

    name: str
    """kernel (compiled, one fit is one task), blocks (across tasks) or mllib (ALS only)."""
    reason: str
    in_driver: bool = False
    """Whether training may hold all pairs in the driver's process, and fit models there."""

    def is_whole(self, params: Any) -> bool:
        """Returns whether a candidate is fitted whole, inside one task or process."""
        return self.name == "kernel" or (self.name == "mllib" and params.model != "als_implicit")


def choose_engine(
    configured: str, n_pairs: int, one_task_pairs: int, driver_pairs: int = 0
) -> Engine:
    """Returns the engine of the configuration (recommend.engine); `auto` goes by `n_pairs`.

    Up to `one_task_pairs` pairs of user and item one task holds them all. The kernel may work in
    the driver with up to `driver_pairs`.

    >>> choose_engine("auto", n_pairs=5_000, one_task_pairs=10_000).name
    'kernel'
    >>> choose_engine("auto", n_pairs=50_000, one_task_pairs=10_000).name
    'blocks'
    """
    name, why = configured, "as recommend.engine says"
    if configured == "auto":
        name = "kernel" if n_pairs <= one_task_pairs else "blocks"
        why = f"{n_pairs:,} pairs; up to {one_task_pairs:,} (recommend.one_task_pairs) fit one task"
    return Engine(name, why, in_driver=name == "kernel" and n_pairs <= driver_pairs)


@dataclass(frozen=True)
class Fitter:
    """Fits models on profiles (one row per user) with one engine."""

    engine: Engine
    catalogue: Catalogue
    setting: FitSetting
    mllib: MllibSetting

    def fit(self, profiles: Users, candidates: Mapping[str, Any]) -> dict[str, Fitted]:
        """Returns the fitted models under the names of their settings.

        `candidates` is name → settings. A part that several blends share is fitted once. Raises
        JobError when one of them cannot be fitted.
        """
        fitted, left_out = self.try_fit(profiles, candidates)
        if left_out:
            raise JobError(
                f"{', '.join(candidates)} should be fitted",
                "; ".join(f"{name}: {why}" for name, why in left_out.items()),
                "Change the bound that is named, or the model's settings",
            )
        return fitted

    def try_fit(
        self, profiles: Users, candidates: Mapping[str, Any]
    ) -> tuple[dict[str, Fitted], dict[str, str]]:
        """Returns the models that can be fitted by name, and why the others cannot.

        1. Blends are taken apart; equal settings are fitted once.
        2. What a known bound forbids is left out before any work.
        3. Fits that one process holds run side by side: in tasks, or here for users in memory.
        4. The others run across tasks, one after the other.
        5. Blends are put together; one that lacks a part is left out, with the part's reason.
        """
        distinct = {str(part): part for p in candidates.values() for part in parts_of(p)}
        left_out = {key: why for key, part in distinct.items() if (why := self.obstacle(part))}
        is_whole = self.engine.is_whole
        whole = {k: p for k, p in distinct.items() if k not in left_out and is_whole(p)}
        arguments = (whole, self.catalogue, self.setting)
        if isinstance(profiles, Histories):
            assert len(whole) + len(left_out) == len(distinct), "the kernel fits everything"
            fitted, failed = try_fit_here(profiles, *arguments)
        else:
            fitted, failed = try_fit_in_tasks(profiles, *arguments)
        left_out |= failed
        # In the order of the settings: that of a set differs from process to process.
        for key in [k for k in distinct if k not in whole and k not in left_out]:
            assert isinstance(profiles, DataFrame)
            try:
                fitted[key] = self.fit_frame(profiles, distinct[key])
            except FAILURES as error:
                left_out[key] = reason_of(error)
        reasons = {name: _first_failure(p, left_out) for name, p in candidates.items()}
        models = {n: _assembled(p, fitted) for n, p in candidates.items() if reasons[n] is None}
        return models, {name: reason for name, reason in reasons.items() if reason is not None}

    def obstacle(self, params: Any) -> str | None:
        """Returns why a bound forbids a model, or a part of a blend; None where none does.

        Known from the sizes alone, before any work.
        """
        n_items, bound = len(self.catalogue), self.setting.max_item_pairs
        obstacles = {
            str(part): why
            for part in parts_of(params)
            if (why := obstacle(part, n_items, bound, self.engine.is_whole(part)))
        }
        return _first_failure(params, obstacles)

    def fit_frame(self, profiles: DataFrame, params: Any) -> Fitted:
        """Returns a model fitted by Spark jobs, the pairs staying in their partitions.

        No blend; its recency prior is added where the settings have one. Raises JobError for a
        model of items × items on too large a catalogue.
        """
        known = profiles.where(F.size("items") > 0)
        train = latest_items(known, self.setting.max_user_items)
        across = DistributedFit(train, self.catalogue, self.setting)
        if isinstance(params, AlsParams):
            inner: Fitted = AlsModel(params, self._als(train, len(self.catalogue), params))
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


def make_fitter(config: RecommendConfig, catalogue: Catalogue, engine: Engine) -> Fitter:
    """Returns what fits models with an engine, by the bounds and the seed of the configuration."""
    setting = FitSetting(
        config.seed, max_item_pairs=config.max_item_pairs, max_user_items=config.max_user_items
    )
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


def _first_failure(params: Any, left_out: Mapping[str, str]) -> str | None:
    """Returns why a model is left out, a blend by the name of its part; None when it is not."""
    for part in parts_of(params):
        if str(part) in left_out:
            why = left_out[str(part)]
            return why if part is params else f"its part {part.model}: {why}"
    return None


def _assembled(params: Any, fitted: Mapping[str, Fitted]) -> Fitted:
    if not isinstance(params, HybridParams):
        return fitted[str(params)]
    return HybridModel([fitted[str(part)] for part in params.parts], weight_table(params))
