"""rekey-pseudonyms: pseudonyms of older keys → the current key, in every table, without values."""

from __future__ import annotations

import os
from typing import Any

from pyspark.sql import functions as F

from sparkperso.ingest.rekey import (
    new_names,
    older_keys,
    one_row_per_key,
    pseudonyms_in,
    rewritten,
    text_columns,
    text_of,
)
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.frames import cached
from sparkperso.privacy import load_keys
from sparkperso.privacy.keys import Keys
from sparkperso.schemas import TABLES


def action(job: Job) -> Summary:
    """Re-keys table after table, each in one commit; returns how many rows changed in which.

    A table without old pseudonyms is left alone, so that an interrupted run is started again, and
    a run after the last does nothing.
    """
    keys = load_keys(job.settings.privacy, job.settings.env, os.environ)
    if not older_keys(keys):
        job.say(f"Key '{keys.current}' follows no other (privacy.keys): nothing to re-key")
    names = [name for name in TABLES if not name.startswith("ops/") and older_keys(keys)]
    changed = {name: rekey_table(job, name, keys) for name in sorted(names)}
    return {"key": keys.current, **{name: count for name, count in changed.items() if count}}


def rekey_table(job: Job, name: str, keys: Keys) -> int:
    """Gives a table's pseudonyms their new names in one commit, wherever its texts hold one.

    Returns how many rows held an old one. In gold a person who was known by both keys has one row
    afterwards, until the next run of the job that writes the table.
    """
    ref, schema = job.lake.ref(name), TABLES[name].struct()
    if not ref.exists() or not text_columns(schema):
        return 0
    held = pseudonyms_in(text_of(schema, "old"), keys)
    holders = ref.read().alias("old").select(held.alias("found")).where("found IS NOT NULL")
    count = holders.count()
    if not count:
        return 0
    with cached(new_names(holders, keys)) as names:
        values = {
            column: rewritten(F.col(f"old.{column}"), schema[column].dataType, F.col("renames"))
            for column in text_columns(schema)
        }
        job.writer(name).update(names, held == F.col("new.found"), values)
    if name.startswith("gold/"):
        _drop_twins(job, name)
    return count


def _drop_twins(job: Job, name: str) -> None:
    """Who was known by both keys has two rows in tables per user; one stays until the next run."""
    key, rows = TABLES[name].key, job.lake.ref(name).read()
    if key and not rows.groupBy(*key).count().where("count > 1").isEmpty():
        job.writer(name).overwrite(one_row_per_key(rows, key))


STEP = Step(name="rekey-pseudonyms", action=action)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
