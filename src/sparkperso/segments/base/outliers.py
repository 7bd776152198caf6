"""Outliers of a segmentation: moved to a bound, or left out while centres are found."""

from __future__ import annotations

import numpy as np
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import FeatureSegmentation, KMeansSegmentation
from sparkperso.segments.base.points import POINT
from sparkperso.segments.base.sample import Points


def clipped(scaled: DataFrame, plan: FeatureSegmentation) -> DataFrame:
    """Returns the scaled features as distances see them, one row per user.

    With outliers `clip` of k-means each feature is moved to at most `outliers_beyond` standard
    deviations on either side; otherwise it is what it was.
    """
    if not isinstance(plan, KMeansSegmentation) or plan.outliers != "clip":
        return scaled
    bound = F.lit(plan.outliers_beyond)
    return scaled.withColumns(
        {name: F.greatest(F.least(F.col(name), bound), -bound) for name in plan.features}
    )


def clipped_of(points: Points, plan: FeatureSegmentation) -> Points:
    """Returns what `clipped` does, of points in memory: (users, features), float64."""
    if not isinstance(plan, KMeansSegmentation) or plan.outliers != "clip":
        return points
    return np.clip(points, -plan.outliers_beyond, plan.outliers_beyond)


def fitted(points: DataFrame, plan: KMeansSegmentation) -> DataFrame:
    """Returns the rows of (user_id, point) that centres are found by.

    With outliers `exclude` users with a feature beyond `outliers_beyond` do not move the centres;
    they belong to the nearest one all the same.
    """
    if plan.outliers != "exclude":
        return points
    bound = F.lit(plan.outliers_beyond)
    return points.where(F.forall(vector_to_array(F.col(POINT)), lambda x: F.abs(x) <= bound))


def fitted_of(points: Points, plan: KMeansSegmentation) -> Points:
    """Returns what `fitted` does, of points (rows) in memory."""
    if plan.outliers != "exclude":
        return points
    return points[(np.abs(points) <= plan.outliers_beyond).all(axis=1)]
