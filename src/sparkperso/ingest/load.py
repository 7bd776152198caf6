"""The writes of a batch of a source of items, users, decisions or reads, in their order.

1. silver/quarantine                       what was rejected
   the gate: of too many rejected          only 3 follows
2. silver/items or silver/users            what is new of each key, merged
   silver/decisions or ops/audit           those that are not there yet
3. ops/data_quality, ops/ingested_files    the counts; the files are done
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.sources.fields import Kind
from sparkperso.core.errors import QualityGateError
from sparkperso.ingest import declared
from sparkperso.ingest.classify import valid_events
from sparkperso.ingest.deduplicate import deduplicated
from sparkperso.ingest.intake import Intake, append_quarantine, close, with_consent_checked
from sparkperso.ingest.intake_counts import (
    IntakeCounts,
    count_intake,
    require_few_rejected,
    require_records,
)
from sparkperso.platform.frames import cached

TABLE_OF: dict[Kind, str] = {
    "items": "silver/items",
    "users": "silver/users",
    "decisions": "silver/decisions",
    "reads": "ops/audit",
}
DECIDED = (
    *("decision_id", "kind", "slot", "content_id", "rule", "variant"),
    *("strategy", "model_version", "store_version", "fallback"),
)
"""Texts of a decision."""
READ = ("read_id", "reader", "reader_kind", "field", "person", "route")
"""Texts of a read."""


def load_facts(
    intake: Intake, records: DataFrame, counts: IntakeCounts, kind: Kind
) -> Mapping[str, int]:
    """Merges classified `records`, which `counts` were taken of; returns the figures of the run.

    Valid are the keys that the records name; records that say something of a key that another one
    named too are duplicates, though what they say counts. Of decisions and reads the new ones are.
    `changed` is how many rows of the table came out otherwise. Raises as `intake.take_in` does.
    """
    with with_consent_checked(intake, records, counts) as (allowed, by_purpose):
        if by_purpose:
            counts = count_intake(allowed)
        require_records(counts, intake.batch.source)
        rejected = append_quarantine(intake, allowed, counts)
        try:
            limit, source = intake.max_rejected_share, intake.batch.source
            require_few_rejected(counts, rejected.by_code, limit, source)
        except QualityGateError:
            close(intake, counts, rejected, by_purpose, counts.readable, status="gate")
            raise
        valid = valid_events(allowed)
        if kind in ACTS:
            n_keys = n_changed = append_acts(intake, valid, counts, kind)
        else:
            n_keys, n_changed = merge_facts(intake, valid, kind)
        figures = close(intake, counts, rejected, by_purpose, n_keys)
        return {**figures, "changed": n_changed}


def append_acts(intake: Intake, records: DataFrame, counts: IntakeCounts, kind: Kind) -> int:
    """Adds the decisions, or reads, that are not in their table yet; returns how many."""
    table, (rows_of, event_id) = TABLE_OF[kind], ACTS[kind]
    known = intake.existing(table, is_input=True)
    keys = None if known is None else act_keys(known, event_id)
    with deduplicated(records, counts.readable, keys, intake.batch.name) as new:
        writer = intake.lake.writer(table)
        writer.create()
        if new.n_events:
            writer.append(intake.in_batch(rows_of(new.events)), intake.txn(table))
        return new.n_events


def merge_facts(intake: Intake, records: DataFrame, kind: Kind) -> tuple[int, int]:
    """Merges what valid records say into their table; returns the keys, and the rows changed."""
    table = TABLE_OF[kind]
    known = intake.lake.ref(table).read()
    of_items = kind == "items"
    facts = (declared.declared_items if of_items else declared.declared_users)(
        records, intake.batch.files
    )
    changed = declared.changed_items if of_items else declared.changed_users
    with cached(facts) as rows, cached(changed(rows, known)) as news:
        n_keys, n_changed = rows.count(), news.count()
        writer = intake.lake.writer(table)
        writer.create()
        if n_changed:
            writer.merge(news, txn=intake.txn(table))
    return n_keys, n_changed


def decision_rows(records: DataFrame) -> DataFrame:
    """Returns valid records of a source of decisions as rows of the table, but for the batch."""
    said = F.col("metadata")
    return records.select(
        *(said[name].alias(name) for name in DECIDED),
        *("timestamp", "user_id", "anonymous_id", "received_at", "event_date"),
        F.coalesce(said["propensity"].try_cast("double"), F.lit(1.0)).alias("propensity"),
        F.coalesce(
            F.from_json(said["item_ids"], "array<string>"), F.array().cast("array<string>")
        ).alias("item_ids"),
        F.from_json(said["experiments"], "map<string,string>").alias("experiments"),
        F.from_json(said["item_propensities"], "array<double>").alias("item_propensities"),
    )


def read_rows(records: DataFrame) -> DataFrame:
    """Returns valid records of a source of reads as rows of the table, but for the batch."""
    said = F.col("metadata")
    return records.select(
        *(said[name].alias(name) for name in READ), "timestamp", "received_at", "event_date"
    )


ACTS: dict[Kind, tuple[Callable[[DataFrame], DataFrame], tuple[str, ...]]] = {
    "decisions": (decision_rows, ("decision_id", "slot")),
    "reads": (read_rows, ("read_id",)),
}
"""Kind of what services did → rows of its table, and the columns that tell them apart."""


def act_keys(known: DataFrame, columns: tuple[str, ...]) -> DataFrame:
    """Returns event_key, event_id, ingest_batch of rows of the table, as records have them."""
    event_id = F.concat_ws("/", *columns)
    return known.select(
        F.xxhash64(event_id).alias("event_key"), event_id.alias("event_id"), "ingest_batch"
    )
