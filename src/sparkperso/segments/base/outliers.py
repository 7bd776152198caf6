"""Outliers of a segmentation: moved to a bound, or left out while centres are found."""

from __future__ import annotations

from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import KMeansSegmentation
from sparkperso.segments.base.points import POINT


def clipped(scaled: DataFrame, plan: KMeansSegmentation) -> DataFrame:
    """Returns the scaled features as distances see them: within the bounds if so configured."""
    if plan.outliers != "clip":
        return scaled
    bound = F.lit(plan.outliers_beyond)
    return scaled.withColumns(
        {name: F.greatest(F.least(F.col(name), bound), -bound) for name in plan.features}
    )


def fitted(points: DataFrame, plan: KMeansSegmentation) -> DataFrame:
    """Returns the points that centres are found by."""
    if plan.outliers != "exclude":
        return points
    bound = F.lit(plan.outliers_beyond)
    return points.where(F.forall(vector_to_array(F.col(POINT)), lambda x: F.abs(x) <= bound))
