"""Names of columns that more than one package uses."""

from __future__ import annotations

from typing import Final

USER_ID: Final = "user_id"
ITEM_ID: Final = "item_id"
SESSION_ID: Final = "session_id"
TIMESTAMP: Final = "timestamp"
EVENT_TYPE: Final = "event_type"
VALUE: Final = "value"
CATEGORY: Final = "category"
AS_OF: Final = "as_of"
RANK: Final = "rank"
SCORE: Final = "score"
STRENGTH: Final = "strength"

# The numeric features of a user: columns of gold/user_features and of gold/user_features_scaled.
NUMERIC_FEATURES: Final = (
    "recency_days",
    "inactive_days",
    "tenure_days",
    "n_events",
    "frequency",
    "monetary",
    "basket_size",
    "refund_share",
    "sessions",
    "avg_session_seconds",
    "visits_7d",
    "visits_30d",
    "click_through",
    "add_to_cart_rate",
    "avg_scroll_depth",
    "avg_dwell_seconds",
    "n_categories",
    "share_night",
    "share_morning",
    "share_afternoon",
    "share_evening",
    "weekend_share",
    "share_mobile",
    "share_desktop",
    "share_tablet",
)

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
