"""Answers are those of the tables now: kept by version, and bounded."""

from __future__ import annotations

import shutil
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.dashboards import lake_of
from tests.small_lake import AS_OF, HOSTILE, run, write_events, write_table

from sparkperso.services.dashboard.queries.cache import ENTRY_BYTES, ResultCache
from sparkperso.services.dashboard.queries.lake import (
    AbsentTable,
    LakeTables,
    UnreadableLake,
    literal,
)

COUNT = "SELECT count(*) AS n FROM r"


def counted(lake):
    return lake.rows(COUNT, r="ops/runs")[0]["n"]


def test_an_answer_is_of_the_latest_version_and_asked_for_once(tmp_path):
    lake = lake_of(tmp_path)
    write_table(tmp_path, "ops/runs", [run(1, "a")])
    assert [counted(lake), counted(lake)] == [1, 1]
    assert (lake.cache.hits, lake.cache.misses) == (1, 1)
    write_table(tmp_path, "ops/runs", [run(2, "b")])
    assert counted(lake) == 2
    assert lake.cache.misses == 2


def test_a_table_that_was_made_anew_is_another(tmp_path):
    lake = lake_of(tmp_path)
    write_table(tmp_path, "ops/runs", [run(1, "a"), run(2, "a")])
    assert counted(lake) == 2
    shutil.rmtree(tmp_path / "ops" / "runs")
    with pytest.raises(AbsentTable):
        counted(lake)
    write_table(tmp_path, "ops/runs", [run(3, "b")])
    assert counted(lake) == 1, "the version is the same, the table is not"


def test_files_that_went_meanwhile_are_looked_for_again(tmp_path):
    root = tmp_path / "lake"
    lake = LakeTables(lake_of(root).reader, ResultCache(10**7), refresh_seconds=1e9)
    write_table(root, "ops/runs", [run(1, "a")])
    assert lake.has("ops/runs")
    write_table(root, "ops/runs", [run(2, "a"), run(3, "a")], mode="overwrite")
    for file in (root / "ops" / "runs").glob("*.parquet"):
        if pq.read_metadata(file).num_rows == 1:
            file.unlink()
    assert lake.rows("SELECT run_id FROM r", r="ops/runs") == [
        {"run_id": "run-2"},
        {"run_id": "run-3"},
    ]


def test_a_table_whose_files_are_gone_is_unreadable_not_empty(tmp_path):
    write_table(tmp_path, "ops/runs", [run(1, "a")])
    for file in (tmp_path / "ops" / "runs").glob("*.parquet"):
        file.unlink()
    with pytest.raises(UnreadableLake):
        lake_of(tmp_path).rows("SELECT job FROM r", r="ops/runs")


def test_a_version_is_looked_for_as_often_as_is_said(tmp_path):
    now = [0.0]
    lake = LakeTables(lake_of(tmp_path).reader, ResultCache(10**7), 5.0, lambda: now[0])
    write_table(tmp_path, "ops/runs", [run(1, "a")])
    assert counted(lake) == 1
    write_table(tmp_path, "ops/runs", [run(2, "a")])
    now[0] = 4.9
    assert counted(lake) == 1
    now[0] = 5.1
    assert counted(lake) == 2


def test_columns_that_a_table_does_not_have_yet_are_none(lake):
    rows = lake.select("ops/runs", ["job", "of_tomorrow"], order="job", limit=1)
    assert rows == [{"job": "build-features", "of_tomorrow": None}]
    assert lake.select("ops/runs", ["of_tomorrow"], limit=1) == [{"of_tomorrow": None}]


def test_the_rows_of_a_person_are_kept_by_nobody_and_their_id_is_no_sql(tmp_path):
    lake = lake_of(tmp_path)
    write_events(tmp_path)
    assert len(lake.of_user("silver/events", ["event_type"], "u00")) == 4
    for odd in ("' OR 1=1 --", HOSTILE, "", "U00", "u00' --"):
        assert lake.of_user("silver/events", ["event_type"], odd) == []
    assert lake.of_user("gold/segments", ["segment_id"], "u00") == []
    assert lake.cache.held_bytes == 0


@pytest.mark.parametrize("text", ["it's", HOSTILE, "a\\' OR 1=1 --", "%", "", "\n", "'"])
def test_a_literal_is_the_text_itself(lake, text):
    rows = lake.rows(f"SELECT {literal(text)} AS v, max(job) FROM r", r="ops/runs")
    assert rows[0]["v"] == text


def test_a_literal_of_a_time_is_that_time(lake):
    rows = lake.rows(f"SELECT {literal(AS_OF)} = max(started_at) AS v FROM r", r="ops/runs")
    assert rows == [{"v": True}]


def table_of(n_bytes):
    return pa.table({"v": pa.array([0] * (n_bytes // 8), pa.int64())})


def test_the_cache_holds_no_more_than_it_may_and_what_was_used_last():
    cache = ResultCache(4 * (800 + ENTRY_BYTES))
    for key in "abcd":
        cache.get(key, lambda: table_of(800))
    cache.get("a", lambda: pytest.fail("it was kept"))
    cache.get("e", lambda: table_of(800))
    assert cache.held_bytes <= 4 * (800 + ENTRY_BYTES)
    cache.get("a", lambda: pytest.fail("it was used last"))
    made = []
    cache.get("b", lambda: made.append(1) or table_of(800))
    assert made, "it was used least"


def test_a_value_that_would_push_out_all_others_is_not_kept():
    cache = ResultCache(4_000)
    assert cache.get("large", lambda: table_of(8_000)).num_rows == 1000
    assert cache.held_bytes == 0


def test_what_fails_is_kept_by_nobody():
    cache = ResultCache(10_000)

    def fail():
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            cache.get("a", fail)
    assert cache.get("a", lambda: table_of(8)).num_rows == 1


def test_threads_that_ask_the_same_at_once_have_it_made_once():
    cache, made, begin = ResultCache(10_000), [], threading.Barrier(8)

    def make():
        made.append(1)
        return table_of(80)

    def ask():
        begin.wait()
        cache.get("key", make)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_value_that_was_made_twice_is_held_once():
    """Who waited for a maker that failed makes it, beside those who came after the failure."""
    cache = ResultCache(10_000)
    failing, waiting, others = threading.Event(), threading.Event(), threading.Event()

    def fail():
        waiting.wait(5)
        raise KeyError

    def slow():
        failing.set()
        others.wait(5)
        return table_of(80)

    def first():
        with pytest.raises(KeyError):
            cache.get("key", fail)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    while not cache.misses:
        time.sleep(0.001)
    threads.append(threading.Thread(target=lambda: cache.get("key", slow)))
    threads[1].start()
    time.sleep(0.05)  # until it waits for the first
    waiting.set()
    assert failing.wait(5)
    cache.get("key", lambda: table_of(80))
    others.set()
    for thread in threads:
        thread.join()
    assert cache.held_bytes == 80 + ENTRY_BYTES
