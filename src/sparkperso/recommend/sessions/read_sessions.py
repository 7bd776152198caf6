"""Events of files as sessions in memory: cleaned and put in order by Spark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.sessions import SessionsConfig
from sparkperso.core.columns import ITEM_ID, SESSION_ID, TIMESTAMP
from sparkperso.platform.frames import keep_cached
from sparkperso.recommend.arrays.session_events import SessionEvents, events_of
from sparkperso.recommend.benchmark.read_ratings import (
    moment,
    require_columns,
    require_some,
    text_id,
)
from sparkperso.recommend.sessions.session_rows import AT, latest_sessions, session_rows

REASONS = {
    SESSION_ID: "session_id is missing",
    ITEM_ID: "item_id is missing",
    AT: "timestamp cannot be read",
}


@dataclass(frozen=True)
class SessionFile:
    """The sessions of one part, by the time of their last event and their id, oldest first."""

    ids: pa.StringArray
    events: SessionEvents
    first_at: int
    last_at: int
    """Microseconds since 1970 of the earliest and the latest event."""
    counts: dict[str, Any]
    """n_rows, invalid (reason → rows dropped), n_sessions, n_events, n_older (sessions beyond the
    bound, left out), n_long (sessions of more than `max_events` events, of which the latest
    count)."""


def read_sessions(source: DataFrame, name: str, config: SessionsConfig) -> SessionFile:
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
        F.unix_micros(moment(source, columns[TIMESTAMP])).alias(AT),
    )
    reason = F.coalesce(*(F.when(F.col(c).isNull(), F.lit(why)) for c, why in REASONS.items()))
    by_reason = rows.groupBy(reason.alias("reason")).agg(F.count(F.lit(1)).alias("n"))
    invalid = {row["reason"]: row["n"] for row in by_reason.collect()}
    n_events = invalid.pop(None, 0)
    require_some(n_events, invalid, name, "session_id, item_id and timestamp")
    found = keep_cached(session_rows(rows.where(reason.isNull()), [SESSION_ID], config.max_events))
    n_sessions = found.count()
    latest = latest_sessions(found, SESSION_ID, n_sessions, config.max_sessions)
    table = latest.toArrow().sort_by([("last_at", "ascending"), (SESSION_ID, "ascending")])
    counts = {
        "n_rows": n_events + sum(invalid.values()),
        "invalid": dict(sorted(invalid.items())),
        "n_sessions": n_sessions,
        "n_events": n_events,
        "n_older": n_sessions - table.num_rows,
        "n_long": pc.sum(pc.greater(table.column("n_events"), config.max_events)).as_py(),
    }
    return SessionFile(
        table.column(SESSION_ID).combine_chunks(),
        events_of(table.column("items")),
        pc.min(table.column("first_at")).as_py(),
        pc.max(table.column("last_at")).as_py(),
        counts,
    )
