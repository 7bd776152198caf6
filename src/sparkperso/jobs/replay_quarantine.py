"""replay-quarantine: rejected records that are repaired, or valid by newer rules → silver, once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.errors import UsageError
from sparkperso.core.hashing import short_hash
from sparkperso.ingest.batch import Batch, rules_hash
from sparkperso.ingest.classify import IngestRules, classify_records
from sparkperso.ingest.intake import QUARANTINE, Intake, figures_of, take_in
from sparkperso.ingest.intake_counts import IntakeCounts, intake_counts, intake_measures
from sparkperso.ingest.key_lists import NUMBER
from sparkperso.ingest.sources.folders import folder_columns
from sparkperso.ingest.sources.mapping import AT
from sparkperso.ingest.sources.readers import json_records
from sparkperso.jobs.ingest_events.batch import read_ingest_rules
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.staging import checkpointed
from sparkperso.pipeline.step import Step
from sparkperso.platform.lake import Txn

REPAIRED = "record_id string, repaired string"


def action(job: Job) -> Summary:
    """Puts a source's recoverable records through mapping and rules again; returns the counts."""
    rules = read_ingest_rules(job)
    source = rules.source.name
    waiting = waiting_records(job, source, read_repaired(job.options.get("repaired")))
    with checkpointed(waiting, {}) as records:
        ids = sorted(row["record_id"] + row["digest"] for row in _digests(records.frame).collect())
        if not ids:
            return figures_of(IntakeCounts(0, 0, 0), 0, 0)
        batch = Batch((), (), 0, rules_hash(rules), source, _name(rules, ids))
        classified = classify_again(records.frame, rules)
        numbered = classified.withColumn(NUMBER, F.monotonically_increasing_id())
        with checkpointed(numbered, intake_measures()) as staged:
            intake = open_intake(job, rules, batch)
            return take_in(intake, staged.frame, intake_counts(staged.measures))


def open_intake(job: Job, rules: IngestRules, batch: Batch) -> Intake:
    """Returns the way of a replay into the lake; one that was interrupted is repeated whole."""

    def txn(table: str) -> Txn | None:
        return None if table.startswith("ops/") else Txn(f"replay-{table}-{batch.name}")

    now = datetime.now(timezone.utc)
    return Intake(job.lake, job.run_id, job.settings, rules, batch, now, txn, is_replay=True)


def waiting_records(job: Job, source: str, repaired: Mapping[str, str] | None) -> DataFrame:
    """Returns the source's records to try: record_id, value, source_file and time of arrival.

    Those that `repaired` names have its payload and may have been beyond repair by rules. With
    `repaired` no others are tried. Raises UsageError for a record_id that is not in quarantine.
    """
    rows = job.lake.ref(QUARANTINE).read().where(F.col("source") == source)
    columns = ("record_id", "source_file", F.col("received_at").alias(AT))
    if repaired is None:
        tried = rows.where(F.col("recoverable") & F.col("replayed_at").isNull())
        return tried.select(*columns, F.col("payload").alias("value"))
    given = job.spark.createDataFrame(list(repaired.items()), REPAIRED)
    named = rows.join(given, on="record_id")
    known = {row["record_id"] for row in named.select("record_id").collect()}
    if unknown := sorted(set(repaired) - known):
        raise UsageError(
            f"--repaired names records of source '{source}' that are in quarantine",
            f"{len(unknown):,} are not, such as {unknown[0]}",
            "Take record_id from silver/quarantine",
        )
    tried = named.where(F.col("replayed_at").isNull())
    return tried.select(*columns, F.col("repaired").alias("value"))


def classify_again(records: DataFrame, book: IngestRules) -> DataFrame:
    """Returns the records classified, under the record_id and the arrival that they had."""
    lines = records.select("value", F.col("source_file").alias("_file"), "record_id", AT)
    files = [row["_file"] for row in lines.select("_file").distinct().collect() if row["_file"]]
    folders = folder_columns(files, book.source)
    read = json_records(lines, book.source, ("record_id", AT), folders)
    read = read.withColumn("_record_id", F.col("record_id"))
    return classify_records(read, book, F.col(AT), keeps_ids=True)


def read_repaired(path: str | None) -> Mapping[str, str] | None:
    """Returns record_id → new payload of a file of JSON lines; None without a file.

    Raises UsageError that names the line which cannot be read.
    """
    if path is None:
        return None
    found: dict[str, str] = {}
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            record_id, payload = _repaired(line, f"line {number} of {path}")
            found[record_id] = payload
    return found


def _repaired(line: str, where: str) -> tuple[str, str]:
    try:
        given = json.loads(line)
        record_id, payload = given["record_id"], given["payload"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            "--repaired takes JSON lines with record_id and payload",
            f"{where} is another",
            'Write it as {"record_id": "…", "payload": {…}}',
        ) from None
    return str(record_id), payload if isinstance(payload, str) else json.dumps(payload)


def _digests(records: DataFrame) -> DataFrame:
    return records.select("record_id", F.sha2("value", 256).alias("digest"))


def _name(book: IngestRules, ids: list[str]) -> str:
    parts = [book.source.name, rules_hash(book), *ids]
    return "replay-" + short_hash("\n".join(parts))


STEP = Step(
    name="replay-quarantine",
    action=action,
    outputs=("silver/events", "silver/quarantine", "silver/items"),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
