"""The table of what people agreed to."""

from __future__ import annotations

from sparkperso.schemas.spec import Column, TableSpec, required

SILVER_CONSENTS = TableSpec(
    name="silver/consents",
    grain="one decision of one subject on one purpose; later decisions do not rewrite earlier ones",
    key=("site", "event_id", "subject_kind", "subject_id", "purpose"),
    writer="ingest-events, replay-quarantine",
    stats_columns=("decided_at", "effective_at", "received_at", "ingest_batch"),
    columns=(
        required("subject_id", "string", "user_id or anonymous_id of whoever decided"),
        Column(
            "subject_kind",
            "string",
            "user_id or anonymous_id; null in rows of before it was kept, which hold for both",
        ),
        required(
            "purpose", "string", "necessary, analytics, personalisation, recording, marketing"
        ),
        required("granted", "boolean", "whether the purpose was agreed to; false withdraws"),
        Column("policy_version", "string", "version of the policy that was shown"),
        Column("region", "string", "region that the decision was taken under", "ISO 3166-1"),
        Column("method", "string", "how it was taken: banner, preferences, api, …"),
        required(
            "decided_at",
            "timestamp",
            "when it was taken, by the event; a device's clock that is ahead counts as arrival",
            "UTC",
        ),
        required(
            "effective_at",
            "timestamp",
            "when it began to hold: on arrival at the collector; of files, the event's time",
            "UTC",
        ),
        Column("site", "string", "site of the collector that it holds for; null for files"),
        required("event_id", "string", "the consent event in silver/events that states it"),
        required("received_at", "timestamp", "when the collector, else the run, took it in", "UTC"),
        required("ingest_batch", "string", "identifier of the batch of input"),
    ),
)
