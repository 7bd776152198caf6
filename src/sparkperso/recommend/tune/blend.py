"""The weights of a blend of the best models, learned on the folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pyspark import Broadcast

from sparkperso.config.recommend.criterion import METRICS, metric_name
from sparkperso.config.recommend.models import HybridParams
from sparkperso.config.recommend.section import HybridConfig
from sparkperso.core.errors import JobError
from sparkperso.recommend.arrays.numbers import Floats
from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.fit.blend_weights import (
    BlendSums,
    blend_work,
    choose_weights,
    cross_fitted_means,
    weight_grid,
)
from sparkperso.recommend.fit.distributed_trial import blend_in_frames
from sparkperso.recommend.fit.driver_folds import DriverFold
from sparkperso.recommend.fit.fit_strategy import Fitter
from sparkperso.recommend.fit.trial import Broadcasts
from sparkperso.recommend.tune.folds_at_work import worked
from sparkperso.recommend.tune.trial_result import DECIMALS, Metrics


def learn_blend(
    prepared_folds: Sequence[PreparedFold | DriverFold],
    shared: Broadcast[Broadcasts],
    parts: Sequence[Any],
    fitter: Fitter,
    config: HybridConfig,
) -> tuple[HybridParams, list[Metrics]]:
    """Returns the blend whose weights ranked best on the folds, and the mean metrics on each.

    The means are those of `blend_weights.cross_fitted_means`, and may be held against a part's
    figures: the mean over folds of the mean over users. A bucket of histories with fewer than
    `min_bucket_users` judged users shares the weights that are best for all. Raises JobError when
    the parts cannot be fitted beside each other.
    """
    grid = weight_grid(len(parts), config.steps)
    # Rounded, so that the order in which users were added up does not choose between equals.
    every = [
        (users, np.round(sums, 9))
        for users, sums in _blend_sums(prepared_folds, shared, parts, fitter, grid)
    ]
    criterion, min_users = prepared_folds[0].criterion, config.min_bucket_users
    folds = [(users, sums[METRICS.index(criterion.metric)]) for users, sums in every]
    users, sums = (np.sum(own, axis=(0, 1)) for own in zip(*folds, strict=True))
    weights = choose_weights(users, sums, grid, min_users)
    means: list[Metrics] = [{} for _ in folds]
    for place, metric in enumerate(METRICS):
        shown = [sums[place] for _, sums in every]
        by_fold = cross_fitted_means(folds, grid, min_users, shown)
        for own, mean in zip(means, by_fold, strict=True):
            own[metric_name(metric, criterion.k)] = round(mean, DECIMALS)
    return HybridParams(parts=tuple(parts), weights=weights), means


def _blend_sums(
    prepared_folds: Sequence[PreparedFold | DriverFold],
    shared: Broadcast[Broadcasts],
    parts: Sequence[Any],
    fitter: Fitter,
    grid: Floats,
) -> list[BlendSums]:
    """Returns each fold's sums: from one task a fold where all parts are fitted in one."""
    if not all(fitter.engine.is_whole(params) for params in parts):
        framed = [prepared for prepared in prepared_folds if isinstance(prepared, PreparedFold)]
        return [blend_in_frames(parts, prepared, fitter, grid) for prepared in framed]
    documents = worked(dict(enumerate(prepared_folds)), 1, blend_work(shared, parts, grid))
    failed = [document["failure"] for document in documents if "failure" in document]
    if failed:
        raise JobError("A blend's parts should be fitted beside each other in one task", failed[0])
    documents.sort(key=lambda document: document["fold"])
    return [(np.array(d["users"]), np.array(d["sums"])) for d in documents]
