"""The segments that units were in when they were exposed: later ones may be the variant's doing."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.experiments.analysis.exposures import EXPERIMENT, EXPOSED_AT, UNIT
from sparkperso.platform.literals import empty_array

SEGMENTATION, SEGMENTS = "segmentation", "segments"
FROM, UNTIL = "valid_from", "valid_until"


def memberships(history: DataFrame, segmentations: Sequence[str]) -> DataFrame:
    """Returns (user_id, segmentation, segment_id, valid_from, valid_until) of gold/segment_history.

    One row per stay of a user in a segment; `valid_until` is null while it lasts. Times are those
    of the features that show the change.
    """
    order = W.partitionBy("user_id", "segment_id").orderBy("as_of", "assigned_at", F.desc("change"))
    changes = history.where(F.col(SEGMENTATION).isin(list(segmentations))).select(
        "user_id",
        SEGMENTATION,
        "segment_id",
        "change",
        F.col("as_of").alias(FROM),
        F.lead("as_of").over(order).alias(UNTIL),
    )
    return changes.where(F.col("change") == "entered").drop("change")


def with_segments(
    exposures: DataFrame, members: DataFrame | None, segmentations: Sequence[str]
) -> DataFrame:
    """Returns the exposures, once per segmentation, with the segments that their unit was in.

    Grain: (experiment, unit, exposed_at, segmentation). `segments` is sorted; empty where there was
    none. Without segmentations one row each, with a null segmentation.
    """
    if members is None or not segmentations:
        nothing = F.lit(None).cast("string")
        return exposures.select(
            "*", nothing.alias(SEGMENTATION), empty_array("string").alias(SEGMENTS)
        )
    spread = exposures.withColumn(
        SEGMENTATION, F.explode(F.array(*(F.lit(name) for name in segmentations)))
    )
    stays = members.withColumnRenamed("user_id", UNIT)
    is_then = (F.col(FROM) <= F.col(EXPOSED_AT)) & (
        F.col(UNTIL).isNull() | (F.col(UNTIL) > F.col(EXPOSED_AT))
    )
    when_exposed = (
        exposures.join(stays, UNIT)
        .where(is_then & (F.col("unit_kind") == "user"))
        .groupBy(EXPERIMENT, UNIT, EXPOSED_AT, SEGMENTATION)
        .agg(F.array_sort(F.collect_set("segment_id")).alias(SEGMENTS))
    )
    joined = spread.join(when_exposed, [EXPERIMENT, UNIT, EXPOSED_AT, SEGMENTATION], "left")
    return joined.withColumn(SEGMENTS, F.coalesce(SEGMENTS, empty_array("string")))
