"""A table as a file: CSV that no spreadsheet runs, and Parquet."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from typing import Any, Final

from sparkperso.core.times import iso
from sparkperso.services.dashboard.page import Column, Few, Table

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a text begins that a spreadsheet takes for a formula, or that hides one."""
FORMATS: Final = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def csv_bytes(table: Table, most: int) -> bytes:
    """Returns up to `most` rows as CSV in UTF-8 with a byte order mark, which spreadsheets need.

    A text that looks like a formula gets an apostrophe before it (OWASP, CSV injection). Numbers
    are plain, times are ISO 8601 in UTC; a figure that may not be shown is empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([guarded(column.name) for column in table.columns])
    for row in table.rows[:most]:
        writer.writerow([_text(value) for value in row])
    return text.getvalue().encode("utf-8-sig")


def parquet_bytes(table: Table, most: int) -> bytes:
    """Returns up to `most` rows as Parquet; each column has the type of what it holds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = table.rows[:most]
    columns = {
        column.name: pa.array([_value(row[at]) for row in rows], _type(column))
        for at, column in enumerate(table.columns)
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def guarded(text: str) -> str:
    """Returns a text that a spreadsheet shows and does not run.

    >>> guarded("=1+1"), guarded("a=b")
    ("'=1+1", 'a=b')
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def _text(value: Any) -> Any:
    if value is None or isinstance(value, Few):
        return ""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, (bool, int, float, date)):
        return value
    return guarded(str(value))


def _value(value: Any) -> Any:
    return None if isinstance(value, Few) else value


def _type(column: Column) -> Any:
    import pyarrow as pa

    types = {
        "integer": pa.int64(),
        "bytes": pa.int64(),
        "number": pa.float64(),
        "percent": pa.float64(),
        "seconds": pa.float64(),
        "time": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
    }
    return types.get(column.kind, pa.string())


def name_of(page: str, table: str, kind: str) -> str:
    """Returns the name of a file.

    >>> name_of("runs", "failures", "csv")
    'sparkperso-runs-failures.csv'
    """
    return f"sparkperso-{page}-{table}.{kind}"
