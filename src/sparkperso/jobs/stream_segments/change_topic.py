"""The topic of changes: every row of gold/segment_history, whoever wrote it.

A stream of its own, with its own checkpoint: what is in the history is sent at least once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from sparkperso.core.columns import USER_ID
from sparkperso.jobs.build_segments.tables import HISTORY
from sparkperso.pipeline.job import Job


@contextmanager
def relaying(job: Job, place: str) -> Iterator[StreamingQuery | None]:
    """Sends what is added to the history inside the block, and ends when all of it is sent.

    Gives the query that does, None where no topic is configured.
    """
    config = job.settings.segments.live.changes
    if config is None:
        yield None
        return
    job.writer(HISTORY).create()
    # The first time, the last commit is sent again: Delta follows from a version that exists.
    version = job.lake.ref(HISTORY).version()
    changes = job.lake.ref(HISTORY).follow({"startingVersion": str(version)})
    value = F.to_json(F.struct(*changes.columns))
    records = changes.select(F.col(USER_ID).alias("key"), value.alias("value"))
    sink = records.writeStream.format("kafka").options(
        topic=config.topic, **{"kafka.bootstrap.servers": config.bootstrap, **config.options}
    )
    query = sink.option("checkpointLocation", f"{place}/topic").start()
    try:
        yield query
        # Not after an error: it would wait for a query that may have failed itself.
        query.processAllAvailable()
    finally:
        query.stop()
