"""Rejected records: each kept once, with all its reasons."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def new_rejections(rejected: DataFrame, known: DataFrame | None, ingest_batch: str) -> DataFrame:
    """Returns one row per record_id that is not in quarantine (`known`) from another batch.

    Of a record that came several times the least row stays, whatever their order. Rows of the same
    batch are an interrupted run's, and do not make a record known.
    """
    record = F.struct("payload", "source_file", "reasons", "recoverable", "received_at")
    rows = rejected.groupBy("record_id").agg(F.min(record).alias("_first"))
    rows = rows.select("record_id", "_first.*")
    if known is None:
        return rows
    others = known.where(F.col("ingest_batch") != ingest_batch).select("record_id")
    return rows.join(others, on="record_id", how="left_anti")


def count_reasons(rejected: DataFrame) -> DataFrame:
    """Returns one row per reason code: records that it rejected, and a sample message.

    A record counts once for each of its codes; the sample is the first message in the order of
    text.
    """
    each = rejected.select("reasons", F.posexplode("reasons").alias("place", "reason"))
    is_first = F.array_position("reasons.code", F.col("reason.code")) == F.col("place") + 1
    return (
        each.where(is_first)
        .groupBy(F.col("reason.code").alias("code"))
        .agg(F.count("*").alias("n_records"), F.min("reason.message").alias("sample"))
    )
