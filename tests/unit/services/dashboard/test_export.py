"""A table as a file: the same rows, typed, and nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timezone

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.dashboards import bearer

from sparkperso.services.dashboard.export import csv_bytes, guarded, parquet_bytes
from sparkperso.services.dashboard.page import FEW, Column, Table

MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
COLUMNS = [
    Column("name", "Name"),
    Column("n", "N", "integer"),
    Column("share", "Share", "percent"),
    Column("at", "At", "time"),
    Column("day", "Day", "date"),
]
ROWS = [
    ("plain", 1, 0.5, MOMENT, date(2026, 3, 1)),
    ("=HYPERLINK(1)", -2, -0.25, MOMENT, date(2026, 3, 2)),
    ('a "quoted", one\nof two lines', FEW, None, None, None),
]
TABLE = Table("t", "A table", COLUMNS, ROWS)


def read_csv(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_a_csv_file_reads_back_as_its_table():
    head, *rows = read_csv(csv_bytes(TABLE, 100))
    assert head == ["name", "n", "share", "at", "day"]
    assert rows[0] == ["plain", "1", "0.5", "2026-03-01T09:30:00.000000Z", "2026-03-01"]
    assert rows[1][:3] == ["'=HYPERLINK(1)", "-2", "-0.25"]
    assert rows[2] == ['a "quoted", one\nof two lines', "", "", "", ""]


def test_a_parquet_file_reads_back_with_its_types():
    read = pq.read_table(io.BytesIO(parquet_bytes(TABLE, 100)))
    assert read.schema.types == [
        *(pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC"), pa.date32())
    ]
    assert read["name"].to_pylist() == [row[0] for row in ROWS]
    assert read["n"].to_pylist() == [1, -2, None]
    assert read["at"].to_pylist() == [MOMENT, MOMENT, None]


def test_a_file_has_at_most_so_many_rows():
    assert len(read_csv(csv_bytes(TABLE, 2))) == 3
    assert pq.read_table(io.BytesIO(parquet_bytes(TABLE, 2))).num_rows == 2


def test_an_empty_table_is_a_file_of_its_columns():
    empty = Table("t", "A table", COLUMNS, [])
    assert read_csv(csv_bytes(empty, 9)) == [[column.name for column in COLUMNS]]
    assert pq.read_table(io.BytesIO(parquet_bytes(empty, 9))).num_columns == len(COLUMNS)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_no_text_begins_as_a_formula_does(text):
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "1-2", "'=1", "plain"])
def test_other_texts_are_as_they_are(text):
    assert guarded(text) == text


def test_a_page_gives_each_of_its_tables(client):
    headers = bearer("analyst")
    answer = client.get("/?format=csv&table=runs", headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="sparkperso-overview-runs.csv"'
    )
    assert {row[0] for row in read_csv(answer.content)[1:]} == {
        *("ingest-events", "build-features", "promote-model", "train-recommender")
    }
    answer = client.get("/?format=parquet&table=events", headers=headers)
    assert pq.read_table(io.BytesIO(answer.content)).column_names == ["day", "events"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("format=xls", 422), ("format=", 422), ("format=csv&table=secrets", 404)],
)
def test_what_there_is_not_is_a_problem(client, query, status):
    assert client.get(f"/?{query}", headers=bearer("analyst")).status_code == status
