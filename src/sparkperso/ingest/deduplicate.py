"""Keeps each event_id of a source once: within a batch, and against the events already taken.

Work is done on `event_key`, the 64-bit hash of event_id: only records whose key occurs twice, in
the batch or in the table, are looked at by source and event_id. A collision drops no event. What
is to be dropped is then a short list of record numbers: the records themselves are never sorted,
shuffled or kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import window as W

from sparkperso.ingest.key_lists import NUMBER, maybe_broadcast
from sparkperso.platform.frames import cached


@dataclass(frozen=True)
class Deduplication:
    """Events to add, and how many of the valid records they are."""

    events: DataFrame
    n_events: int


@contextmanager
def deduplicated(
    valid: DataFrame, n_valid: int, known: DataFrame | None, ingest_batch: str
) -> Iterator[Deduplication]:
    """Gives the valid records that are new events: the earliest of each event_id in its source.

    Of equal times the smallest record_id wins, then the first. `known` is silver/events or None
    before its first row; its rows of the same `ingest_batch` (an interrupted run's) do not make a
    record known. `record_number` tells the records of the batch apart. Rows of `known` from before
    sources were kept are of every source.
    """
    with cached(_suspect_keys(valid, n_valid, known)) as suspects:
        n_suspects = suspects.count()
        if not n_suspects:
            yield Deduplication(valid, n_valid)
            return
        keys = maybe_broadcast(suspects, n_suspects)
        with cached(_superfluous(valid, keys, known, ingest_batch)) as dropped:
            n_dropped = dropped.count()
            events = valid.join(maybe_broadcast(dropped, n_dropped), on=NUMBER, how="left_anti")
            yield Deduplication(events, n_valid - n_dropped)


def in_order(doubtful: DataFrame) -> DataFrame:
    """Adds `_place` among the records of one event, from 1: by time, then by content.

    One event is one (source, event_id); the order is total, so that the same record stays every
    time.
    """
    order = W.Window.partitionBy("source", "event_id").orderBy(
        "timestamp", "record_id", "source_file", NUMBER
    )
    return doubtful.withColumn("_place", F.row_number().over(order))


def _superfluous(
    valid: DataFrame, keys: DataFrame, known: DataFrame | None, ingest_batch: str
) -> DataFrame:
    """Numbers of the records that repeat an event, or that are known already; each once."""
    columns = ("event_key", "source", "event_id", "timestamp", "record_id", "source_file", NUMBER)
    doubtful = valid.select(*columns).join(keys, on="event_key", how="left_semi")
    repeated = in_order(doubtful).where(F.col("_place") > 1).select(NUMBER)
    if known is None:
        return repeated
    ids = _known_ids(known, keys, ingest_batch)
    is_known = (F.col("event_id") == F.col("_id")) & (
        F.col("_source").isNull() | (F.col("source") == F.col("_source"))
    )
    return repeated.union(doubtful.join(ids, is_known, "left_semi").select(NUMBER)).distinct()


def _suspect_keys(valid: DataFrame, n_valid: int, known: DataFrame | None) -> DataFrame:
    """Keys that occur more than once in the batch, or are in the table; one row each."""
    keys = valid.select("event_key")
    twice = keys.groupBy("event_key").count().where(F.col("count") > 1).select("event_key")
    if known is None:
        return twice
    batch = maybe_broadcast(keys, n_valid)
    seen = known.select("event_key").join(batch, on="event_key", how="left_semi")
    return twice.unionByName(seen).distinct()


def _known_ids(known: DataFrame, keys: DataFrame, ingest_batch: str) -> DataFrame:
    others = known.where(F.col("ingest_batch") != ingest_batch)
    source = F.col("source") if "source" in known.columns else F.lit(None).cast("string")
    named = others.join(keys, on="event_key", how="left_semi")
    return named.select(F.col("event_id").alias("_id"), source.alias("_source")).distinct()
