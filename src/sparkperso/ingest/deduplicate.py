"""Keeps each event_id once: within a batch, and against the events already taken.

Work is done on `event_key`, the 64-bit hash of event_id: only records whose key occurs twice, in
the batch or in the table, are looked at by event_id. A collision of two ids drops no event.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import window as W

MAX_BROADCAST_KEYS = 1_000_000


@dataclass(frozen=True)
class Deduplicated:
    """Events to add, and how many of the valid records they are."""

    events: DataFrame
    n_events: int


def deduplicate_events(
    valid: DataFrame, n_valid: int, known: DataFrame | None, ingest_batch: str
) -> Deduplicated:
    """Returns the valid records that are new events: the earliest of each event_id.

    Of equal times the smallest payload wins. `known` is silver/events or None before its first
    row; its rows of the same `ingest_batch` (an interrupted run's) do not make a record known.
    """
    suspects = _suspect_keys(valid, n_valid, known).persist()
    n_suspects = suspects.count()
    if not n_suspects:
        return Deduplicated(valid, n_valid)
    keys = _maybe_broadcast(suspects, n_suspects)
    clear = valid.join(keys, on="event_key", how="left_anti")
    doubtful = in_order(valid.join(keys, on="event_key", how="left_semi"))
    is_new = F.col("_place") == 1
    if known is not None:
        ids = _known_ids(known, keys, ingest_batch)
        doubtful = doubtful.join(ids, on="event_id", how="left")
        is_new &= F.col("_is_known").isNull()
    doubtful = doubtful.withColumn("_is_new", is_new).drop("_place", "_is_known").persist()
    row = doubtful.agg(F.count("*"), F.count_if("_is_new")).first()
    n_doubtful, n_new = row if row else (0, 0)
    winners = doubtful.where("_is_new").drop("_is_new")
    return Deduplicated(clear.unionByName(winners), n_valid - n_doubtful + n_new)


def in_order(doubtful: DataFrame) -> DataFrame:
    """Adds `_place` among the records of one event_id: by time, then by payload."""
    order = W.Window.partitionBy("event_id").orderBy("timestamp", "payload", "source_file")
    return doubtful.withColumn("_place", F.row_number().over(order))


def _suspect_keys(valid: DataFrame, n_valid: int, known: DataFrame | None) -> DataFrame:
    """Keys that occur more than once in the batch, or are in the table; one row each."""
    keys = valid.select("event_key")
    twice = keys.groupBy("event_key").count().where(F.col("count") > 1).select("event_key")
    if known is None:
        return twice
    batch = _maybe_broadcast(keys, n_valid)
    seen = known.select("event_key").join(batch, on="event_key", how="left_semi")
    return twice.unionByName(seen).distinct()


def _known_ids(known: DataFrame, keys: DataFrame, ingest_batch: str) -> DataFrame:
    rows = known.select("event_key", "event_id", "ingest_batch")
    mine = rows.where(F.col("ingest_batch") != ingest_batch)
    ids = mine.join(keys, on="event_key", how="left_semi").select("event_id").distinct()
    return ids.withColumn("_is_known", F.lit(True))


def _maybe_broadcast(keys: DataFrame, count: int) -> DataFrame:
    """Keys are eight bytes; above the bound both sides are shuffled, narrow, instead."""
    return F.broadcast(keys) if count <= MAX_BROADCAST_KEYS else keys
