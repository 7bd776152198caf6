"""The serving store: whose segments change, whoever found it, is answered with the new set.

A stream of its own over gold/segment_history, with its own checkpoint, as that of the topic: what
is in the history gets into the store's overlay, however long the store was away. Each micro-batch
writes the whole set of each of its users, as the history has it then, under the time of its last
change: so a record that is written late, or twice, undoes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import islice
from threading import Event

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from sparkperso.config.segmentation import RuleSegmentation, Segmentation
from sparkperso.core.columns import USER_ID
from sparkperso.core.errors import ConfigError
from sparkperso.core.times import now
from sparkperso.jobs.build_segments.tables import HISTORY, PROFILES
from sparkperso.jobs.publish.records import SEGMENT_FIELDS
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.streaming import StopRequestError
from sparkperso.platform.literals import aware, instant, moment
from sparkperso.segments.base.map_column import map_column
from sparkperso.segments.tables.table_rows import last_changes
from sparkperso.services.stores.base import Address, Store, StoreError
from sparkperso.services.stores.factory import open_overlay, open_store
from sparkperso.services.stores.manifest import BrokenVersionError
from sparkperso.services.stores.overlay import LiveRecord, Overlay
from sparkperso.services.stores.records import SEGMENTS as SERVED

EVERY_SECONDS = 0.5
"""Least time between the starts of two micro-batches."""
PART = 1_000
"""Records that are written at a time; so many users are found by their ids, more by a join."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Seconds between two tries of a store that does not answer."""
LAST_SECONDS = 10.0
"""How long it is tried at the end of the stream; the next one goes on where this one stopped."""


class ServingRelay:
    """Writes what changes into the overlay, for as long as it takes."""

    def __init__(self, job: Job, store: Store, overlay: Overlay, kinds: Mapping[str, str]) -> None:
        self._job, self._store, self._overlay, self._kinds = job, store, overlay, kinds
        self._keep = timedelta(days=job.settings.segments.live.keep_days)
        self._version: tuple[str | None, int | None] = None, None
        self._ended = Event()
        self._deadline: float | None = None
        self.n_records = 0
        """Records that were written."""
        self.is_behind = False
        """Whether it ended before all was written."""
        self.query: StreamingQuery

    def take(self, rows: DataFrame, number: int) -> None:
        """Writes the segments of the users of a micro-batch of the history.

        Where the store does not answer it is tried again until it does, or this ends: then the
        micro-batch is not done with, and is the first of the next run.
        """
        pause = 0.0
        while True:
            try:
                self._write(rows)
            except StoreError as error:
                if not pause:
                    self._job.say(f"{error} Changes of segments wait for it")
                pause = min(2 * pause, LONGEST_PAUSE) if pause else FIRST_PAUSE
            else:
                if pause:
                    self._job.say("The serving store answers again")
                return
            is_over = self._deadline is not None and time.monotonic() > self._deadline
            if is_over or self._ended.wait(pause):
                self.is_behind = True
                raise StopRequestError

    def finish(self) -> None:
        """Waits until all is written, but no longer than LAST_SECONDS for a store that is away."""
        self._deadline = time.monotonic() + LAST_SECONDS
        try:
            self.query.processAllAvailable()
        except StreamingQueryException:
            if not self.is_behind:
                raise
            self._job.say("The serving store lacks changes of segments; the next run writes them")

    def end(self) -> None:
        """Ends at once."""
        self._ended.set()
        with suppress(Exception):
            self.query.stop()
        self._overlay.close()
        self._store.close()

    def summary(self) -> Summary:
        """Returns the figures to print."""
        behind = {"changes wait for the serving store": "yes"} if self.is_behind else {}
        return {"segments served": self.n_records, **behind}

    def _write(self, rows: DataFrame) -> None:
        users = rows.select(USER_ID).distinct()
        history = self._job.lake.ref(HISTORY).read()
        # Few ids are part of the scan; a join would move the whole history.
        ids = [row[0] for row in users.limit(PART + 1).collect()]
        if len(ids) <= PART:
            own = history.where(F.col(USER_ID).isin(ids))
        else:
            own = history.join(users, on=USER_ID, how="left_semi")
        states = served_segments(own, self._kinds)
        known = self._known_micros()
        if known is not None:
            # What a publication has, the overlay need not have: at first that is nearly everything.
            states = states.where(F.col("at") > instant(moment(known)))
        until = now() + self._keep
        micros = F.unix_micros("at").alias("at")
        found = states.select(USER_ID, micros, "segments").toLocalIterator()
        records = (
            ((SERVED, row[0]), LiveRecord(row[2].encode(), aware(moment(row[1])), until))
            for row in found
        )
        for part in _parts(records):
            self._overlay.put_many(part)
            self.n_records += len(part)

    def _known_micros(self) -> int | None:
        """Up to when the current version knows changes; None where there is none that says so."""
        name = self._store.current()
        if name is None or name != self._version[0]:
            self._version = name, self._micros_of(name)
        return self._version[1]

    def _micros_of(self, name: str | None) -> int | None:
        if name is None:
            return None
        try:
            with self._store.open(name) as version:
                known_at = version.manifest.segments_at
        except BrokenVersionError:
            return None
        return None if known_at is None else round(known_at.timestamp() * 1_000_000)


def served_segments(history: DataFrame, kinds: Mapping[str, str]) -> DataFrame:
    """Returns (user_id, at, segments) of the users in rows of gold/segment_history, all of theirs.

    `at` is the time of the last change, `segments` a text, JSON as publications have it: an array
    of the segments that they are in, empty for none. `kinds` is segmentation → kind.
    """
    last = last_changes(history, "label", "model_version", "assigned_at")
    columns = {"kind": map_column(kinds, F.col("segmentation"))}
    own = {name: f"last.{name}" for name in ("label", "model_version", "assigned_at")}
    is_in = F.col("last.change") == "entered"
    each = F.when(is_in, F.struct(*(F.col(own.get(name, name)) for name in SEGMENT_FIELDS)))
    users = last.withColumns(columns).groupBy(USER_ID)
    segments = F.to_json(F.sort_array(F.collect_list(each))).alias("segments")
    return users.agg(F.max("last.assigned_at").alias("at"), segments)


@contextmanager
def serving(job: Job, plans: Iterable[Segmentation], place: str) -> Iterator[ServingRelay | None]:
    """Writes into the serving store what is added to the history inside the block.

    Ends when all of it is written, or the store is away. Gives None where `segments.live.overlay`
    says no. Raises ConfigError for a store that has to be there and cannot.
    """
    stores = find_stores(job)
    if stores is None:
        yield None
        return
    job.writer(HISTORY).create()
    relay = ServingRelay(job, *stores, kinds_of(job, plans))
    # The first time all of it, since it is not known what was published.
    changes = job.lake.ref(HISTORY).follow({}).writeStream.foreachBatch(relay.take)
    trigger = f"{round(EVERY_SECONDS * 1000)} milliseconds"
    writer = changes.option("checkpointLocation", f"{place}/served").trigger(processingTime=trigger)
    relay.query = writer.start()
    try:
        yield relay
        relay.finish()
    finally:
        relay.end()


def find_stores(job: Job) -> tuple[Store, Overlay] | None:
    """Returns store and overlay to write into; None where nothing is served.

    Raises ConfigError where `segments.live.overlay` is true and there can be no store.
    """
    wanted = job.settings.segments.live.overlay
    if not wanted:
        return None
    try:
        store = open_store(job.settings)
        if wanted == "if_published" and not _may_be_published(store):
            store.close()
            return None
        return store, open_overlay(job.settings)
    except ConfigError:
        if wanted is True:
            raise
        return None


def kinds_of(job: Job, plans: Iterable[Segmentation]) -> dict[str, str]:
    """Returns the kind of each segmentation, also of those that were built and are no more."""
    kinds: dict[str, str] = {}
    if job.lake.ref(PROFILES).exists():
        built = job.lake.ref(PROFILES).read().select("segmentation", "kind").distinct()
        kinds = {row[0]: row[1] for row in built.collect()}
    return kinds | {one.name: "rule" for one in plans if isinstance(one, RuleSegmentation)}


def _may_be_published(store: Store) -> bool:
    try:
        return store.current() is not None
    except StoreError:
        # It is away, and may have a version.
        return True


def _parts(
    records: Iterator[tuple[Address, LiveRecord]],
) -> Iterator[list[tuple[Address, LiveRecord]]]:
    while part := list(islice(records, PART)):
        yield part
