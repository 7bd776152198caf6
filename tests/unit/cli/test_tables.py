"""Looking into the lake without Spark: the tables as Spark writes them, read by delta-rs."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from sparkperso.cli.main import run_cli
from sparkperso.cli.tables import _size
from sparkperso.schemas import TABLES

ATTRIBUTES = pa.map_(pa.string(), pa.string())
FIRST_SEEN = [datetime(2010, 1, day, tzinfo=timezone.utc) for day in (1, 2)]


@pytest.fixture
def lake(tmp_path):
    items = pa.table(
        {
            "item_id": ["B", "A"],
            "title": ["bell", None],
            "category": ["garden", "garden"],
            "tags": [["new"], []],
            "price": [2.5, 1.0],
            "attributes": pa.array([[("colour", "red")], []], ATTRIBUTES),
            "first_seen_at": FIRST_SEEN,
        }
    )
    write_deltalake(str(tmp_path / "silver" / "items"), items)
    return str(tmp_path)


@pytest.fixture
def tables(lake, capsys):
    """Returns run(words), which gives the exit status, the output and the error text."""

    def run(*words):
        status = run_cli(["tables", *words, "--lake", lake])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_list_names_every_table_and_counts_what_is_there(tables):
    status, out, _ = tables("list")
    lines = {line.split()[0]: line.split() for line in out.splitlines()[1:]}
    assert status == 0
    assert list(lines) == list(TABLES)
    assert lines["silver/items"][1:3] == ["2", "0"]
    assert lines["silver/events"][1:4] == ["-", "-", "-"]


def test_describe_tells_every_column_with_its_unit(tables):
    status, out, _ = tables("describe", "silver/items")
    assert status == 0
    for column in TABLES["silver/items"].columns:
        assert column.meaning in out
    assert "[currency]" in out
    assert "key item_id; written by load-source, ingest-events" in out


@pytest.mark.parametrize(
    ("table", "first"),
    [
        ("silver/events", "Run 'sparkperso ingest-events' or 'sparkperso demo' first"),
        ("ops/runs", "Run any job first"),
    ],
)
def test_a_table_that_is_not_there_names_what_writes_it(tables, table, first):
    status, _, error = tables("show", table)
    assert status == 2
    assert first in error


def test_show_orders_by_the_key_and_keeps_maps_and_times(tables):
    status, out, _ = tables("show", "silver/items", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["item_id"] for row in rows] == ["A", "B"]
    assert rows[1]["attributes"] == {"colour": "red"}
    assert rows[1]["first_seen_at"].startswith("2010-01-01 00:00:00")


def test_show_takes_a_condition_an_order_and_a_limit(tables):
    def ids(*words):
        _, out, _ = tables("show", "silver/items", "--json", *words)
        return [json.loads(line)["item_id"] for line in out.splitlines()]

    assert ids("--where", "price > 2") == ["B"]
    assert ids("--order-by", "price DESC") == ["B", "A"]
    assert ids("--limit", "1") == ["A"]


def test_show_prints_a_table_and_the_number_of_rows(tables):
    _, out, _ = tables("show", "silver/items", "--where", "title = 'bell'")
    assert '{"colour": "red"}' in out
    assert out.endswith("1 rows\n")
    assert tables("show", "silver/items", "--where", "false")[1] == "0 rows\n"


def test_wide_rows_are_shown_one_below_the_other(tables, monkeypatch):
    monkeypatch.setattr("sparkperso.cli.tables.MAX_WIDE", 3)
    _, out, _ = tables("show", "silver/items", "--limit", "1")
    assert "category       garden\n" in out


def test_sql_that_does_not_fit_is_told_in_one_line(tables):
    status, _, error = tables("show", "silver/items", "--where", "prize > 2")
    assert status == 2
    assert error.count("\n") == 1
    assert "prize" in error
    assert "price" in error


def test_a_table_that_was_not_written_yet_names_its_job(tables):
    status, _, error = tables("show", "silver/events")
    assert status == 2
    assert "sparkperso ingest-events" in error


@pytest.mark.parametrize(
    ("n", "text"), [(0, "0 B"), (999, "999 B"), (5890, "5.89 kB"), (3e15, "3e+03 TB")]
)
def test_sizes(n, text):
    assert _size(n) == text


def test_rows_are_shown_letter_for_letter(tmp_path, capsys):
    titles = ["[new] Lamp", "[/s]", ":bell:", "esc\x1b[2J"]
    table = pa.table({"item_id": [str(n) for n in range(4)], "title": titles})
    write_deltalake(str(tmp_path / "silver" / "items"), table)
    assert run_cli(["tables", "show", "silver/items", "--lake", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert all(title in out for title in [*titles[:3], "esc\\x1b[2J"])
