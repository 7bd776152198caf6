"""The writes of a batch in their order: what takes every record in exactly once.

A batch of files, a micro-batch of a stream and a replay of quarantine are three inputs to it. What
stands in one line is written side by side, the lines one after another:

    1. bronze/events, silver/quarantine                what was received, what was rejected
       the gate: of too many rejected                  only 4 follows
    2. silver/events, silver/items, silver/consents    what is new
    3. silver/quarantine                               what was replayed is marked
    4. ops/data_quality, ops/ingested_files            the counts; the files are done

A replay has no 1, as its records are there already, and it alone has a 3. Each write has a name
that follows from its batch (`Intake.txn`): Delta carries it out once, however often a run is broken
off and started again. What bronze holds of a micro-batch says that it was begun
(`pipeline.checkpoint`); files are done last, so that what ended before is started again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config import Settings
from sparkperso.config.sources.input import POSITION
from sparkperso.core.errors import QualityGateError
from sparkperso.core.threads import together
from sparkperso.ingest.batch import Batch
from sparkperso.ingest.classify import IngestRules, valid_events
from sparkperso.ingest.consent_check import with_refusals
from sparkperso.ingest.consents import consent_rows
from sparkperso.ingest.deduplicate import Deduplication, deduplicated
from sparkperso.ingest.intake_counts import (
    IntakeCounts,
    ReasonCount,
    count_intake,
    require_few_rejected,
    require_records,
)
from sparkperso.ingest.items import SAID, changed_items
from sparkperso.ingest.quarantine import count_reasons, new_rejections
from sparkperso.ingest.sources.expand import record_of
from sparkperso.ingest.sources.stream_sources import topic_columns
from sparkperso.platform.frames import cached, pinned
from sparkperso.platform.literals import instant
from sparkperso.privacy import load_keys
from sparkperso.schemas import TABLES

if TYPE_CHECKING:
    # The intake is given the lake: to open one is for jobs.
    from sparkperso.platform.lake import Lake, Txn

QUARANTINE = "silver/quarantine"


@dataclass(frozen=True)
class Intake:
    """One batch on its way into the lake; its inputs differ in the values here, and in no more."""

    lake: Lake
    run_id: str
    settings: Settings
    rules: IngestRules
    batch: Batch
    received_at: datetime
    txn: Callable[[str], Txn | None]
    """Returns the name of the batch's one write of a table; None where each run writes."""
    max_rejected_share: float = 1
    """A larger share of rejected records stops the batch at the gate."""
    is_replay: bool = False

    def existing(self, table: str, *, is_input: bool = False) -> DataFrame | None:
        """Returns a table as it is now, None before its first write.

        An input stands in the lineage even then.
        """
        ref = self.lake.ref(table)
        rows = ref.read() if is_input or ref.exists() else None
        return rows if ref.exists() else None

    def stamped(self, rows: DataFrame) -> DataFrame:
        """Returns rows with the name of their source, and with the batch."""
        return self.in_batch(rows.withColumn("source", F.lit(self.batch.source)))

    def in_batch(self, rows: DataFrame) -> DataFrame:
        """Returns rows with the batch."""
        return rows.withColumn("ingest_batch", F.lit(self.batch.name))

    def append(self, table: str, rows: DataFrame) -> None:
        """Adds rows to a table, once."""
        self.lake.writer(table).append(rows, self.txn(table))


@dataclass(frozen=True)
class Rejected:
    """The rejected records of a batch: how many are new in quarantine, and all by reason code."""

    n_new: int = 0
    by_code: Mapping[str, ReasonCount] = field(default_factory=dict)


def take_in(intake: Intake, records: DataFrame, counts: IntakeCounts) -> Mapping[str, int]:
    """Writes classified `records`, which `counts` were taken of; returns the figures of the run.

    The figures are numbers of records. Raises JobError for a batch of files without a record, and
    QualityGateError at the gate, after quarantine and counts were written.
    """
    with ExitStack() as stack:
        checked = with_consent_checked(intake, records, counts)
        allowed, by_purpose = stack.enter_context(checked)
        if by_purpose:
            counts = count_intake(allowed)

        def find_new() -> Deduplication:
            known = intake.existing("silver/events")
            valid, name = valid_events(allowed), intake.batch.name
            return stack.enter_context(deduplicated(valid, counts.readable, known, name))

        if intake.is_replay:
            new = find_new()
            without_title = write_new_events(intake, new, counts)
            mark_replayed(intake, allowed)
            rejected = Rejected(counts.rejected, reasons_of(allowed, counts))
            figures = close(intake, counts, rejected, by_purpose, new.n_events)
            return {**figures, **of_little_use(counts, without_title)}
        require_records(counts, intake.batch.source)
        _, rejected, new = together(
            lambda: append_bronze(intake, allowed),
            lambda: append_quarantine(intake, allowed, counts),
            find_new,
        )
        limit, source = intake.max_rejected_share, intake.batch.source
        try:
            require_few_rejected(counts, rejected.by_code, limit, source)
        except QualityGateError:
            close(intake, counts, rejected, by_purpose, counts.readable, status="gate")
            raise
        without_title = write_new_events(intake, new, counts)
        figures = close(intake, counts, rejected, by_purpose, new.n_events)
        return {**figures, **of_little_use(counts, without_title)}


def of_little_use(counts: IntakeCounts, n_without_title: int) -> Mapping[str, int]:
    """Returns what was taken in and yet will not count, or not be shown, as far as there is any."""
    said = {
        "events without user_id (in no features, no lists)": counts.anonymous,
        "items without title (lists show their ids)": n_without_title,
    }
    return {name: count for name, count in said.items() if count}


@contextmanager
def with_consent_checked(
    intake: Intake, records: DataFrame, counts: IntakeCounts
) -> Iterator[tuple[DataFrame, Mapping[str, int]]]:
    """Gives the records without those that lack consent, and how many these are by purpose."""
    if not intake.rules.source.asks_decisions:
        yield records, {}
        return
    settings = intake.settings
    decided = intake.existing("silver/consents", is_input=True)
    # The secrets are needed where people may be known by two keys, and only there.
    is_rotating = len(settings.privacy.chain(settings.privacy.current)) > 1
    keys = load_keys(settings.privacy, settings.env, os.environ) if is_rotating else None
    states = counts.decisions > 0
    with with_refusals(records, decided, settings.consent, keys, state_decisions=states) as done:
        yield done.records, done.by_purpose


def append_bronze(intake: Intake, records: DataFrame) -> None:
    """Adds the records of files that bronze does not have yet, as they were received."""
    batch = intake.batch
    fresh = [file.path for file in batch.new_to_bronze]
    if len(fresh) < len(batch.files):
        records = records.where(F.col("source_file").isin(fresh))
        if not fresh:
            return
    if POSITION in records.columns:
        # One row per record, by its first element, under the record's own id.
        records = records.where(F.coalesce(F.col(POSITION) == 0, F.lit(True)))
        records = records.withColumn("record_id", record_of(F.col("record_id")))
    # Of records of files it is known that they have no place in a topic: three regular expressions
    # less for each.
    place = F.lit(None).cast("string") if batch.files else F.col("source_file")
    rows = intake.stamped(records.where(~F.col("is_refused"))).select(
        *("record_id", "payload", "source", "source_file"),
        *(column.alias(name) for name, column in topic_columns(place).items()),
        *("received_at", "ingest_batch"),
    )
    intake.append("bronze/events", rows)


def append_quarantine(intake: Intake, records: DataFrame, counts: IntakeCounts) -> Rejected:
    """Adds the rejected records that are not there yet."""
    if not counts.rejected:
        return Rejected()
    known = intake.existing(QUARANTINE)
    if known is not None:
        known = known.where(F.col("source") == intake.batch.source)
    columns = ("record_id", "payload", "source_file", "reasons", "recoverable", "received_at")
    with cached(records.where("is_rejected").select(*columns)) as rejected:
        by_code = reasons_of(rejected, counts)
        rows = intake.stamped(new_rejections(rejected, known, intake.batch.name))
        rows = rows.withColumn("replayed_at", F.lit(None).cast("timestamp"))
        with cached(rows) as new:
            n_new = new.count()
            if n_new:
                intake.append(QUARANTINE, new)
    return Rejected(n_new, by_code)


def reasons_of(records: DataFrame, counts: IntakeCounts) -> dict[str, ReasonCount]:
    """Returns reason code → rejected records, in the order of codes."""
    if not counts.rejected:
        return {}
    rows = count_reasons(records.where(F.col("reasons").isNotNull())).collect()
    found = {row["code"]: ReasonCount(row["n_records"], row["sample"]) for row in rows}
    return dict(sorted(found.items()))


def write_new_events(intake: Intake, new: Deduplication, counts: IntakeCounts) -> int:
    """Adds the valid records that are new events, what they say about items, and on consent.

    Returns what `merge_items` does.
    """
    if not new.n_events:
        return 0
    rows = intake.in_batch(new.events).select(*TABLES["silver/events"].column_names)
    _, n_without_title, _ = together(
        lambda: intake.append("silver/events", rows),
        lambda: merge_items(intake, new.events),
        lambda: append_consents(intake, new.events, counts),
    )
    return int(n_without_title)


def merge_items(intake: Intake, events: DataFrame) -> int:
    """Writes the items of which new events say something new, and of those only that.

    Returns how many of these have no title, as far as is known.
    """
    table = "silver/items"
    known = intake.existing(table, is_input=True)
    with cached(changed_items(events, known)) as items:
        writer = intake.lake.writer(table)
        writer.create()
        row = items.agg(F.count("*"), F.count_if(F.col("title").isNull())).first()
        n_items, n_without_title = (int(row[0]), int(row[1])) if row else (0, 0)
        if n_items:
            writer.merge(items, update=() if known is None else SAID, txn=intake.txn(table))
    return n_without_title


def append_consents(intake: Intake, events: DataFrame, counts: IntakeCounts) -> None:
    """Adds the decisions that new consent events state."""
    if not counts.decisions:
        return
    rows = intake.stamped(consent_rows(events)).select(*TABLES["silver/consents"].column_names)
    if not rows.isEmpty():
        intake.append("silver/consents", rows)


def mark_replayed(intake: Intake, records: DataFrame) -> None:
    """Sets replayed_at of records in quarantine that are events now, or repeat one."""
    settled = records.where(~F.col("is_rejected") & ~F.col("is_refused")).select("record_id")
    if POSITION in records.columns:
        # A record that had no list when it was rejected is settled when all its elements are.
        is_open = F.col("is_rejected") | F.col("is_refused")
        by_record = records.groupBy(record_of(F.col("record_id")).alias("record_id"))
        closed = by_record.agg(F.count_if(is_open).alias("open")).where("open = 0")
        settled = settled.unionByName(closed.select("record_id")).distinct()
    own = intake.lake.ref(QUARANTINE).read().where(F.col("source") == intake.batch.source)
    done = own.where(F.col("replayed_at").isNull()).join(settled, on="record_id")
    # As they are now: the merge writes the table that they are read from.
    with pinned(done.withColumn("replayed_at", instant(intake.received_at))) as rows:
        intake.lake.writer(QUARANTINE).merge(rows)


def close(
    intake: Intake,
    counts: IntakeCounts,
    rejected: Rejected,
    refused_by_purpose: Mapping[str, int],
    n_valid: int,
    *,
    status: str = "done",
) -> Mapping[str, int]:
    """Writes the counts to ops/data_quality, files to ops/ingested_files; returns the counts."""
    figures = figures_of(counts, rejected.n_new, n_valid)
    by_rule = {f"rule:{code}": count.n_records for code, count in rejected.by_code.items()}
    by_rule |= {f"refused:{name}": count for name, count in refused_by_purpose.items()}
    batch, ran = intake.batch, (intake.run_id, intake.received_at)
    quality = [
        (intake.run_id, batch.source, batch.name, rule, count, intake.received_at)
        for rule, count in {**figures, **by_rule}.items()
    ]
    files = [
        (batch.source, f.path, f.size, f.modified_at, batch.rules_hash, status, batch.name, *ran)
        for f in batch.files
    ]
    together(
        lambda: append_rows(intake, "ops/data_quality", quality),
        lambda: append_rows(intake, "ops/ingested_files", files),
    )
    return figures


def append_rows(intake: Intake, table: str, rows: list[tuple[Any, ...]]) -> None:
    """Adds a few rows to a table about the runs."""
    if rows:
        frame = intake.lake.spark.createDataFrame(rows, TABLES[table].struct())
        intake.append(table, frame.coalesce(1))


def figures_of(counts: IntakeCounts, n_quarantined: int, n_valid: int) -> Mapping[str, int]:
    """Returns what a run tells: received = valid + quarantined + duplicates + refused."""
    return {
        "received": counts.received,
        "valid": n_valid,
        "quarantined": n_quarantined,
        "duplicates": counts.received - counts.refused - n_valid - n_quarantined,
        "refused": counts.refused,
    }
