"""Decisions on consent: what consent events say, one row per subject and purpose."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

CONSENT_EVENT = "consent"
SUBJECTS = ("user_id", "anonymous_id")
DECISIONS = "map<string,boolean>"


def consent_rows(events: DataFrame) -> DataFrame:
    """Returns the decisions of the consent events among classified, valid `events`.

    One row per event, subject and purpose, in the columns of silver/consents but for
    ingest_batch. An event that names both a user and a device decides for both. Purposes without
    true or false are left out.
    """
    metadata = F.col("metadata")
    purposes = F.from_json(metadata["purposes"], DECISIONS)
    decided = events.where(F.col("event_type") == CONSENT_EVENT).select(
        F.explode(F.array_distinct(F.array_compact(F.array(*SUBJECTS)))).alias("subject_id"),
        purposes.alias("purposes"),
        metadata["policy_version"].alias("policy_version"),
        F.coalesce(metadata["region"], "collected.region").alias("region"),
        metadata["method"].alias("method"),
        F.least("timestamp", "effective_at").alias("decided_at"),
        "effective_at",
        F.col("collected.site").alias("site"),
        *("event_id", "received_at"),
    )
    columns = [name for name in decided.columns if name != "purposes"]
    return decided.select(*columns, F.explode("purposes").alias("purpose", "granted")).where(
        F.col("granted").isNotNull()
    )
