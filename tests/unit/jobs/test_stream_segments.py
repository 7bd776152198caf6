"""What a live run does between its micro-batches."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pyspark.errors import StreamingQueryException

from sparkperso.core.errors import JobError
from sparkperso.jobs.stream_segments.stream import LateEventCount, SegmentStream

DROPPED = [
    {"batchId": number, "stateOperators": [{"numRowsDroppedByWatermark": number}]}
    for number in range(4)
]


def test_a_topic_that_cannot_be_written_ends_the_run():
    query = SimpleNamespace(recentProgress=[])
    live = SegmentStream(SimpleNamespace(), SimpleNamespace())
    live.write(query)
    failed = SimpleNamespace(exception=lambda: StreamingQueryException("no broker\n  at 1"))
    live.relays["the topic"] = failed
    with pytest.raises(JobError, match=r"the topic.*no broker"):
        live.write(query)


def test_late_rows_of_a_micro_batch_are_counted_once():
    book = LateEventCount()
    book.add(SimpleNamespace(recentProgress=DROPPED[:3]))
    book.add(SimpleNamespace(recentProgress=DROPPED[1:]))
    assert book.n_rows == 1 + 2 + 3
