"""Comparison of frames: it must see every difference, and no other."""

from __future__ import annotations

import pytest

from sparkperso.testing.compare import assert_same_rows, assert_same_tables
from sparkperso.testing.frames import table_frame

SCHEMA = "id string, x double, a array<double>, m map<string,double>, run_id string"
ROWS = [("a", 1.0, [1.0, 2.0], {"k": 0.5, "l": 2.0}, "r1"), ("b", None, None, None, "r1")]
OTHERS = [
    pytest.param(("c", *ROWS[0][1:]), id="another id"),
    pytest.param(("a", 1.001, *ROWS[0][2:]), id="another fraction"),
    pytest.param(("a", None, *ROWS[0][2:]), id="no fraction"),
    pytest.param(("a", 1.0, [1.0], *ROWS[0][3:]), id="a shorter array"),
    pytest.param(("a", 1.0, [1.0, 2.1], *ROWS[0][3:]), id="another part of an array"),
    pytest.param((*ROWS[0][:3], {"k": 0.5, "l": 3.0}, "r1"), id="another value of a map"),
    pytest.param((*ROWS[0][:3], {"k": 0.5, "z": 2.0}, "r1"), id="another key of a map"),
]


@pytest.fixture
def frame(spark):
    return lambda rows: spark.createDataFrame(rows, SCHEMA)


def test_order_and_columns_of_the_run_do_not_matter(frame):
    same = [ROWS[1], ("a", 1.0, [1.0, 2.0], {"l": 2.0, "k": 0.5}, "r2")]
    assert_same_rows(frame(ROWS), frame(same).select("run_id", "m", "a", "x", "id"))


@pytest.mark.parametrize("other", OTHERS)
def test_every_difference_is_seen(frame, other):
    with pytest.raises(AssertionError, match="rows differ"):
        assert_same_rows(frame(ROWS), frame([other, ROWS[1]]), tolerance=1e-6)


def test_a_row_more_is_seen_and_a_missing_column_too(frame):
    with pytest.raises(AssertionError, match="rows differ"):
        assert_same_rows(frame(ROWS), frame([*ROWS, ROWS[0]]))
    with pytest.raises(AssertionError, match="columns differ"):
        assert_same_rows(frame(ROWS), frame(ROWS).drop("x"))


def test_noise_within_the_tolerance_is_no_difference(frame):
    noisy = [("a", 1.0 + 1e-9, [1.0, 2.0 - 1e-9], {"k": 0.5, "l": 2.0 + 1e-9}, "r1"), ROWS[1]]
    assert_same_rows(frame(ROWS), frame(noisy), tolerance=1e-6)
    with pytest.raises(AssertionError):
        assert_same_rows(frame(ROWS), frame(noisy))


def test_tables_of_two_lakes_are_compared_by_name(spark, tmp_path):
    from sparkperso.config.platform import LakeConfig
    from sparkperso.platform.lake import Lake

    lakes = [Lake(spark, LakeConfig(root=str(tmp_path / side))) for side in "lr"]
    row = {"run_id": "r", "job": "j", "direction": "input", "table_name": "silver/events"}
    edges = table_frame(spark, "ops/lineage", [row])
    for lake in lakes:
        lake.writer("ops/lineage").append(edges)
    assert_same_tables(*lakes, tables=["ops/lineage", "ops/runs"])
    lakes[1].writer("ops/lineage").append(edges)
    with pytest.raises(AssertionError, match="ops/lineage: rows differ"):
        assert_same_tables(*lakes, tables=["ops/lineage"])
