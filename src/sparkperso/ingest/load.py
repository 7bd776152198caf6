"""The writes of a batch of a source of items or users, in their order.

1. silver/quarantine                       what was rejected
   the gate: of too many rejected          only 3 follows
2. silver/items or silver/users            what is new of each key, merged
3. ops/data_quality, ops/ingested_files    the counts; the files are done
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame

from sparkperso.config.sources.fields import Kind
from sparkperso.core.errors import QualityGateError
from sparkperso.ingest import declared
from sparkperso.ingest.classify import valid_events
from sparkperso.ingest.intake import Intake, append_quarantine, close, with_consent_checked
from sparkperso.ingest.intake_counts import (
    IntakeCounts,
    count_intake,
    require_few_rejected,
    require_records,
)
from sparkperso.platform.frames import cached

TABLE_OF: dict[Kind, str] = {"items": "silver/items", "users": "silver/users"}


def load_facts(
    intake: Intake, records: DataFrame, counts: IntakeCounts, kind: Kind
) -> Mapping[str, int]:
    """Merges classified `records`, which `counts` were taken of; returns the figures of the run.

    Valid are the keys that the records name; records that say something of a key that another one
    named too are duplicates, though what they say counts. `changed` is how many rows of the table
    came out otherwise. Raises as `intake.take_in` does.
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
        n_keys, n_changed = merge_facts(intake, valid_events(allowed), kind)
        figures = close(intake, counts, rejected, by_purpose, n_keys)
        return {**figures, "changed": n_changed}


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
