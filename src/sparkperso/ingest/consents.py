"""Decisions on consent: what consent events say, and what holds after several decisions."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.consent import OPTIONAL, Purpose

CONSENT_EVENT = "consent"
SUBJECTS = ("user_id", "anonymous_id")
SCOPE = ("site", "subject_kind", "subject_id", "purpose")
DECISIONS = "map<string,boolean>"
STATE = "struct<granted:boolean,decided_at:timestamp,withdrawn_at:timestamp>"


def consent_rows(events: DataFrame) -> DataFrame:
    """Returns the decisions of the consent events among classified, valid `events`.

    One row per event, subject and purpose, in the columns of silver/consents but for
    ingest_batch. An event that names both a user and a device decides for both. Purposes without
    true or false are left out.
    """
    metadata = F.col("metadata")
    purposes = F.from_json(metadata["purposes"], DECISIONS)
    decided = events.where(F.col("event_type") == CONSENT_EVENT).select(
        F.explode(F.array_compact(F.array(*map(_subject, SUBJECTS)))).alias("subject"),
        purposes.alias("purposes"),
        metadata["policy_version"].alias("policy_version"),
        F.coalesce(metadata["region"], "collected.region").alias("region"),
        metadata["method"].alias("method"),
        F.least("timestamp", "effective_at").alias("decided_at"),
        "effective_at",
        F.col("collected.site").alias("site"),
        *("event_id", "received_at"),
    )
    columns = [name for name in decided.columns if name not in ("purposes", "subject")]
    return decided.select(
        "subject.*", *columns, F.explode("purposes").alias("purpose", "granted")
    ).where(F.col("granted").isNotNull())


def _subject(name: str) -> Column:
    """Returns an identifier with its kind, null where an event does not have it."""
    kind, value = F.lit(name).alias("subject_kind"), F.col(name).alias("subject_id")
    return F.when(F.col(name).isNotNull(), F.struct(kind, value))


def scoped(decisions: DataFrame) -> DataFrame:
    """Returns what of silver/consents decides what holds; no site is a site of its own.

    A device that calls itself as a user is called decides nothing for that user. Rows of before
    kinds were kept hold for both.
    """
    site = F.coalesce("site", F.lit("")).alias("site")
    both = F.array(*map(F.lit, SUBJECTS))
    kinds = both
    if "subject_kind" in decisions.columns:
        known = F.col("subject_kind")
        kinds = F.when(known.isNotNull(), F.array(known)).otherwise(both)
    columns = ("subject_id", "purpose", "granted", "decided_at", "effective_at")
    return decisions.select(site, F.explode(kinds).alias("subject_kind"), *columns)


def decision() -> Column:
    """Returns one decision as `state_after` takes it; of several at one moment the no is last.

    Decisions are ordered by when they began to hold (`effective_at`).
    """
    is_no = (~F.col("granted")).alias("is_no")
    return F.struct(F.col("effective_at").alias("at"), is_no, "decided_at")


def state_after(history: Column) -> Column:
    """Returns what holds after an array of decisions, by the rule of the collector's ConsentStore.

    A struct of `granted` (null without decisions), `decided_at` and `withdrawn_at`, which is null
    unless a yes was taken back.
    """
    return F.aggregate(F.array_sort(history), F.lit(None).cast(STATE), _after)


def consent_states(decisions: DataFrame, as_of: Column) -> DataFrame:
    """Returns what users have agreed to by a time of theirs, one row per user_id (subject_id).

    Columns: consents (purpose → granted, where every site of the collector that was told anything
    was told yes) and withdrawn_at (when an optional purpose was last withdrawn, else null).
    """
    known = scoped(decisions.where(F.col("decided_at") <= as_of))
    known = known.where(F.col("subject_kind") == "user_id")
    each = known.groupBy(*SCOPE).agg(state_after(F.collect_set(decision())).alias("state"))
    purposes = each.groupBy("subject_id", "purpose").agg(
        F.bool_and("state.granted").alias("granted"),
        F.max("state.withdrawn_at").alias("withdrawn_at"),
    )
    optional = F.when(F.col("purpose").isin(list(OPTIONAL)), F.col("withdrawn_at"))
    pairs = F.sort_array(F.collect_list(F.struct("purpose", "granted")))
    return purposes.groupBy("subject_id").agg(
        F.map_from_entries(pairs).alias("consents"), F.max(optional).alias("withdrawn_at")
    )


def decisions_on(decisions: DataFrame, purpose: Purpose) -> DataFrame:
    """Returns what subjects decided on a purpose, one row per (subject_kind, subject_id).

    Columns: granted (every site of the collector that was told anything was told yes) and
    decided_at, the latest. All decisions count, whatever a job looks back from: a no holds.
    """
    known = scoped(decisions.where(F.col("purpose") == purpose))
    each = known.groupBy(*SCOPE).agg(state_after(F.collect_set(decision())).alias("state"))
    return each.groupBy("subject_kind", "subject_id").agg(
        F.bool_and("state.granted").alias("granted"),
        F.max("state.decided_at").alias("decided_at"),
    )


def _after(state: Column, one: Column) -> Column:
    """What holds after one more decision: a no always counts, a yes when it is newer than all."""
    is_newer = F.coalesce(one["decided_at"] > state["decided_at"], F.lit(True))
    counts = one["is_no"] | is_newer
    taken_back = F.coalesce(state["withdrawn_at"], F.when(state["granted"], one["at"]))
    withdrawn_at = F.when(one["is_no"], taken_back).when(~counts, state["withdrawn_at"])
    return F.struct(
        F.when(counts, ~one["is_no"]).otherwise(state["granted"]).alias("granted"),
        F.greatest(state["decided_at"], one["decided_at"]).alias("decided_at"),
        withdrawn_at.alias("withdrawn_at"),
    )
