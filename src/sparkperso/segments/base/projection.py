"""Points of the feature space on two principal components, for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.feature import PCA
from pyspark.sql import DataFrame

from sparkperso.core.columns import USER_ID
from sparkperso.core.threads import one_thread
from sparkperso.segments.base.arrays import Members, UserPoints
from sparkperso.segments.base.points import POINT, SEGMENT_ID
from sparkperso.segments.base.sample import Points, chosen


@dataclass(frozen=True)
class Projection:
    """A sample of users on the first two principal components of all users.

    Coordinates are in scaled features, turned; shares of the variance lie in 0 to 1.
    """

    xy: NDArray[np.float64]
    """One row per sampled user."""
    segment_ids: tuple[str, ...]
    """The users' segments, in the same order."""
    explained: tuple[float, float]
    """Share of the variance on each axis."""
    loadings: NDArray[np.float64]
    """One row per feature, one column per axis."""
    centres: NDArray[np.float64]
    """The segments' centres on the same axes, in their given order."""


@one_thread()
def project(
    points: DataFrame | UserPoints,
    members: DataFrame | Members,
    centres: Sequence[Sequence[float]],
    max_points: int,
) -> Projection:
    """Returns at most `max_points` users on two axes, chosen by a hash of their ids.

    The components are those of all users' covariance, in memory or by Spark ML's PCA; each axis is
    turned so that its largest loading is positive, since the sign of a component means nothing. One
    feature alone makes a picture of one dimension, the second axis being zero. Points are not
    centred: the picture is moved by that, and nothing else.
    """
    if isinstance(points, UserPoints) and isinstance(members, Members):
        loadings, explained = _components_of(points.values)
        segments = np.empty(len(members.users), dtype=np.int64)
        segments[members.at] = members.segments
        at = members.users.chosen(max_points)
        sampled, ids = points.values[at], [members.names[place] for place in segments[at]]
    else:
        assert isinstance(points, DataFrame)
        assert isinstance(members, DataFrame)
        loadings, explained = _components(points)
        labelled = points.join(members.select(USER_ID, SEGMENT_ID), on=USER_ID, how="inner")
        sample = chosen(labelled, max_points).select(POINT, SEGMENT_ID).collect()
        sampled, ids = np.array([row[0].toArray() for row in sample]), [row[1] for row in sample]
    return Projection(
        xy=sampled @ loadings,
        segment_ids=tuple(ids),
        explained=explained,
        loadings=loadings,
        centres=np.array(centres) @ loadings,
    )


def _components(points: DataFrame) -> tuple[NDArray[np.float64], tuple[float, float]]:
    width = points.select(POINT).take(1)[0][POINT].size
    model = PCA(k=min(2, width), inputCol=POINT, outputCol="component").fit(points)
    return _turned(model.pc.toArray(), model.explainedVariance.toArray().tolist())


def _components_of(points: Points) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Returns what `_components` does, of points (rows) in memory."""
    # A covariance is symmetric: eigh gives real, orthogonal axes, in growing order of variance.
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(points.T)))
    order = np.argsort(-variances)[:2]
    return _turned(axes[:, order], (variances[order] / variances.sum()).tolist())


def _turned(
    loadings: NDArray[np.float64], explained: Sequence[float]
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Two axes, each turned so that its largest loading is positive, and their shares."""
    if loadings.shape[1] == 1:
        loadings, explained = np.hstack([loadings, np.zeros((1, 1))]), [*explained, 0.0]
    largest = loadings[np.abs(loadings).argmax(axis=0), [0, 1]]
    return loadings * np.where(largest < 0, -1.0, 1.0), (explained[0], explained[1])
