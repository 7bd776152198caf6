"""Centres of k-means: the best of several starts in the driver, improved on all users by Spark."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from pyspark.sql import DataFrame
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from sparkperso.config.segments import KMeansSegmentation
from sparkperso.core.threads import one_thread
from sparkperso.evaluate.clustering import cluster_means
from sparkperso.segments.base.points import NEAREST, POINT, Centre, with_nearest
from sparkperso.segments.base.sample import Points

ROUNDS = 30
"""Passes over all users, at most: the centres of a sample are near their end already."""
DIGITS = 9
"""Means of users are rounded, so that the order of adding does not show."""


@one_thread()
def best_centres(
    points: Points, plan: KMeansSegmentation, k: int, seed: int, starts: int
) -> tuple[Centre, ...]:
    """Returns the centres of the least cost among `starts` starts on points (users, features).

    Starts are drawn by k-means++ (Arthur & Vassilvitskii 2007) and improved by Lloyd's steps:
    scikit-learn's KMeans. The cost is the sum of squared distances to the nearest centre. There are
    fewer centres than k where fewer points differ.
    """
    # scikit-learn wants k points at least: where there are fewer they are repeated.
    fit = KMeans(k, n_init=starts, max_iter=plan.max_iter, tol=plan.tol, random_state=seed)
    with warnings.catch_warnings():
        # Fewer different points than centres: the surplus has no members, and is left out below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit.fit(points if len(points) >= k else np.resize(points, (k, points.shape[1])))
    used = np.unique(fit.labels_)
    return tuple(tuple(map(float, centre)) for centre in fit.cluster_centers_[used])


def refine_centres(
    points: DataFrame, centres: Sequence[Centre], plan: KMeansSegmentation
) -> tuple[Centre, ...]:
    """Returns the centres that these become on all of (user_id, point), by Lloyd's steps.

    Lloyd 1982; each step is one pass: everybody goes to the nearest centre, each centre to the mean
    of its own. It ends when none moves further than `plan.tol`, after ROUNDS or `plan.max_iter` at
    most. A centre that nobody is nearest to stays where it is.
    """
    for _ in range(min(ROUNDS, plan.max_iter)):
        means = cluster_means(with_nearest(points, centres), POINT, NEAREST)
        mean_of = {row[NEAREST]: row["mean"] for row in means.collect()}
        moved = [
            tuple(round(float(x), DIGITS) for x in mean_of.get(place, centre))
            for place, centre in enumerate(centres)
        ]
        furthest = max(map(math.dist, moved, centres))
        centres = moved
        if furthest <= plan.tol:
            break
    return tuple(centres)
