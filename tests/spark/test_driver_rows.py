"""Rows of this process as frames: all of them, as they are, and few in any task."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sparkperso.platform import driver_rows
from sparkperso.platform.driver_rows import arrow_frame, block_frame


@pytest.mark.parametrize("n_rows", [0, 1, 7, 1000])
@pytest.mark.parametrize("schema", [None, "id string, factors array<float>"])
def test_a_frame_has_the_rows_of_its_table_in_however_many_slices(
    spark, monkeypatch, n_rows, schema
):
    monkeypatch.setattr(driver_rows, "SLICE_BYTES", 2_000)
    ids = pa.array([f"u{n}" for n in range(n_rows)], pa.string())
    factors = pa.array([[n, 0.5] for n in range(n_rows)], pa.list_(pa.float32()))
    table = pa.table({"id": ids, "factors": factors})
    frame = arrow_frame(spark, table, schema)
    assert frame.columns == ["id", "factors"]
    rows = sorted((row.id, row.factors) for row in frame.collect())
    assert rows == sorted((f"u{n}", [float(n), 0.5]) for n in range(n_rows))


def test_no_task_carries_more_than_one_block(spark):
    rows = [("a", n, bytes([n]) * 1000) for n in range(9)]
    frame = block_frame(spark, rows, "name string, block int, data binary")
    sizes = frame.rdd.glom().map(len).collect()
    assert sizes == [1] * 9
    assert [tuple(row) for row in frame.orderBy("block").collect()] == [
        (name, block, bytearray(data)) for name, block, data in rows
    ]
    assert block_frame(spark, [], "name string, block int, data binary").isEmpty()
