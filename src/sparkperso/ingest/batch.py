"""Which files a run takes in, and what its batch is called."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config import config_hash
from sparkperso.core.hashing import short_hash
from sparkperso.ingest.classify import IngestRules
from sparkperso.ingest.sources.files import SourceFile


@dataclass(frozen=True)
class Batch:
    """What a run takes in: files, and those of them that bronze lacks; records where none are."""

    files: tuple[SourceFile, ...]
    new_to_bronze: tuple[SourceFile, ...]
    n_skipped: int
    rules_hash: str
    source: str
    given_name: str | None = None
    """Names a batch by its checkpoint or its records, not by its files."""

    @property
    def name(self) -> str:
        """Returns the name of the batch: the same files under the same rules are one batch."""
        return self.given_name or _hash(self.source, self.rules_hash, self.files)

    @property
    def bronze_name(self) -> str:
        """Returns what bronze knows the files by; rules do not matter to it."""
        return _hash(self.source, "", self.new_to_bronze)


def rules_hash(book: IngestRules) -> str:
    """Returns a hash of all that decides what becomes of a record, not of how many may be bad."""
    config = book.config.model_copy(update={"max_rejected_share": 0.0})
    source = book.source.model_copy(update={"max_rejected_share": None})
    return config_hash(source, book.plan, config)


def plan_batch(files: Sequence[SourceFile], book: IngestRules, ledger: DataFrame) -> Batch:
    """Returns the batch of the files that the ledger (ops/ingested_files) does not call done."""
    own = rules_hash(book)
    entries = _entries(ledger.where(F.col("source") == book.source.name), files)
    seen = {file for file, _, _ in entries}
    done = {file for file, rules, status in entries if (rules, status) == (own, "done")}
    todo = tuple(file for file in files if file not in done)
    fresh = tuple(file for file in todo if file not in seen)
    return Batch(todo, fresh, len(files) - len(todo), own, book.source.name)


def _entries(ledger: DataFrame, files: Collection[SourceFile]) -> list[tuple[SourceFile, str, str]]:
    """The ledger's lines on `files`, with configuration and status; no others reach the driver."""
    rows = ledger.where(F.col("path").isin([file.path for file in files])).collect()
    return [
        (
            SourceFile(row["path"], row["size"], row["modified_at"]),
            row["config_hash"],
            row["status"],
        )
        for row in rows
    ]


def _hash(source: str, rules: str, files: Sequence[SourceFile]) -> str:
    parts = [source, rules, *(f"{f.path}|{f.size}|{f.modified_at}" for f in sorted(files))]
    return short_hash("\n".join(parts))
