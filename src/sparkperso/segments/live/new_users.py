"""People who came after the last clustering: the centre that they are nearest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.segments import KMeansSegmentation
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.base.outliers import clipped
from sparkperso.segments.base.points import SEGMENT_ID, as_points, assign_nearest


@dataclass(frozen=True)
class Centres:
    """The clusters of a segmentation as they were written, the largest first."""

    labels: Mapping[str, str]
    """Segment id → name in words."""
    points: Sequence[Mapping[str, float]]
    """Feature → coordinate of each, scaled."""
    scaler_version: str


def nearest(scaled: DataFrame, plan: KMeansSegmentation, centres: Centres) -> DataFrame:
    """Returns (user_id, segment_id, label, distance), one row per row of `scaled`.

    `scaled` are rows of gold/user_features_scaled, by the scaler of `centres`. The distance is
    Euclidean in scaled features; outliers are clipped where the plan says so.
    """
    points = as_points(clipped(scaled, plan), plan.features)
    coordinates = [tuple(point[name] for name in plan.features) for point in centres.points]
    placed = assign_nearest(points, coordinates, list(centres.labels))
    return placed.withColumn("label", map_column(centres.labels, F.col(SEGMENT_ID)))
