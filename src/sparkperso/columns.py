"""The vocabulary: names of columns that more than one room uses."""

from __future__ import annotations

from typing import Final

USER_ID: Final = "user_id"
ANONYMOUS_ID: Final = "anonymous_id"
ITEM_ID: Final = "item_id"
EVENT_ID: Final = "event_id"
SESSION_ID: Final = "session_id"
TIMESTAMP: Final = "timestamp"
EVENT_TYPE: Final = "event_type"
EVENT_DATE: Final = "event_date"
VALUE: Final = "value"
CATEGORY: Final = "category"
AS_OF: Final = "as_of"
RANK: Final = "rank"
SCORE: Final = "score"
STRENGTH: Final = "strength"

# Columns that differ between two runs on the same input. Every other column of every table must
# come out the same, row for row.
RUN_COLUMNS: Final = frozenset(
    {
        "received_at",
        "ingest_batch",
        "generated_at",
        "assigned_at",
        "model_version",
        "run_id",
        "parent_run_id",
        "mlflow_run_id",
        "started_at",
        "finished_at",
        "duration_seconds",
        "source_file",
    }
)
