"""Events of files as sessions in memory: cleaned and put in order by Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import ITEM_ID, SESSION_ID, TIMESTAMP
from sparkperso.platform.frames import keep_cached
from sparkperso.recommend.arrays.histories import Texts
from sparkperso.recommend.benchmark.read_ratings import (
    moment,
    require_columns,
    require_some,
    text_id,
)
from sparkperso.recommend.sessions.session_index import Sessions

REASONS = {
    SESSION_ID: "session_id is missing",
    ITEM_ID: "item_id is missing",
    TIMESTAMP: "timestamp cannot be read",
}


@dataclass(frozen=True)
class SessionEvents:
    """The sessions of one part, by the time of their last event and their id, oldest first."""

    ids: Texts
    items: pa.DictionaryArray
    """item_id of each event, session after session, in order of time and item_id."""
    indptr: np.ndarray[Any, np.dtype[np.int64]]
    first_at: int
    last_at: int
    """Microseconds since 1970 of the earliest and the latest event."""
    counts: dict[str, Any]
    """n_rows, invalid (reason → rows dropped), n_sessions, n_events, n_older (sessions beyond the
    bound, left out)."""

    def item_ids(self) -> Texts:
        """Returns the ids of all items, sorted."""
        return np.sort(np.asarray(self.items.dictionary.to_pylist(), dtype=object))

    def on(self, catalogue: Texts) -> Sessions:
        """Returns the sessions with items as places in a sorted catalogue, -1 for others."""
        own = np.asarray(self.items.dictionary.to_pylist(), dtype=object)
        places = np.searchsorted(catalogue, own)
        found = np.minimum(places, max(len(catalogue) - 1, 0))
        is_known = (catalogue[found] == own) if len(catalogue) else np.zeros(len(own), bool)
        known = np.where(is_known, found, -1).astype(np.int32)
        codes = self.items.indices.to_numpy(zero_copy_only=False)
        return Sessions(known[codes], self.indptr, len(catalogue))


def read_sessions(source: DataFrame, name: str, max_sessions: int) -> SessionEvents:
    """Returns the `max_sessions` latest sessions of a file; `name` is how messages call it.

    Needs session_id, item_id and timestamp (any form of docs/times.md; numbers too small for a
    time are seconds). A row that lacks one of them is dropped and counted. Raises JobError when a
    column is missing, or when no row counts. What is read is kept until the open keeper ends.
    """
    require_columns(source, (SESSION_ID, ITEM_ID, TIMESTAMP), name)
    columns = {column.lower(): column for column in source.columns}
    rows = source.select(
        text_id(source, columns[SESSION_ID]).alias(SESSION_ID),
        text_id(source, columns[ITEM_ID]).alias(ITEM_ID),
        F.unix_micros(moment(source, columns[TIMESTAMP])).alias(TIMESTAMP),
    )
    reason = F.coalesce(*(F.when(F.col(c).isNull(), F.lit(why)) for c, why in REASONS.items()))
    counts = reason.isNull()
    event = F.struct(F.col(TIMESTAMP).alias("at"), F.col(ITEM_ID).alias("item"))
    # Rows that do not count are a group by reason: their number comes with the sessions.
    sessions = rows.groupBy(
        reason.alias("reason"), F.when(counts, F.col(SESSION_ID)).alias("id")
    ).agg(
        F.count(F.lit(1)).alias("n"),
        F.array_sort(F.collect_list(F.when(counts, event))).alias("events"),
        F.min(TIMESTAMP).alias("first_at"),
        F.max(TIMESTAMP).alias("last_at"),
    )
    return _collected(keep_cached(sessions), name, max_sessions)


def _collected(sessions: DataFrame, name: str, max_sessions: int) -> SessionEvents:
    totals = {
        row["reason"]: (row["n"], row["sessions"])
        for row in sessions.groupBy("reason")
        .agg(F.sum("n").alias("n"), F.count(F.lit(1)).alias("sessions"))
        .collect()
    }
    n_events, n_sessions = totals.pop(None, (0, 0))
    invalid = {reason: n for reason, (n, _) in sorted(totals.items())}
    require_some(n_events, invalid, name, "session_id, item_id and timestamp")
    latest = sessions.where(F.col("reason").isNull())
    if n_sessions > max_sessions:
        latest = latest.orderBy(F.desc("last_at"), F.desc("id")).limit(max_sessions)
    items = F.transform("events", lambda event: event["item"])
    table = latest.select("id", items.alias("items"), "first_at", "last_at").toArrow()
    table = table.sort_by([("last_at", "ascending"), ("id", "ascending")])
    of_sessions = table.column("items").combine_chunks()
    lengths = of_sessions.value_lengths().to_numpy(zero_copy_only=False)
    counts = {
        "n_rows": n_events + sum(invalid.values()),
        "invalid": invalid,
        "n_sessions": n_sessions,
        "n_events": n_events,
        "n_older": n_sessions - table.num_rows,
    }
    return SessionEvents(
        np.asarray(table.column("id").to_pylist(), dtype=object),
        pc.dictionary_encode(of_sessions.flatten()),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        pc.min(table.column("first_at")).as_py(),
        pc.max(table.column("last_at")).as_py(),
        counts,
    )
