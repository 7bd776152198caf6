"""Who is written to: rows of a file or a table that is kept apart from the lake.

A lake holds pseudonyms, and no address; so `user_id` and `address` come from elsewhere.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from sparkperso.core.errors import UsageError

USER, ADDRESS = "user_id", "address"
NAME, LANGUAGE = "name", "language"
ROWS = 2_000
"""Of a table, in memory at a time."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """One row, as it stands there."""

    user_id: str
    address: str
    name: str = ""
    language: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


def read_addressees(path: str, data: Sequence[str] = ()) -> Iterator[Addressee]:
    """Yields the rows of a CSV file, of Parquet (a file, or a folder), or of a Delta table.

    Columns: user_id and address; name and language where they are there; and all of `data`. Nothing
    but a few rows is in memory. Raises UsageError for what cannot be read, with the line of a CSV
    file, and for columns that are missing.
    """
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        return
    missing = [name for name in (USER, ADDRESS, *data) if name not in first]
    if missing:
        raise UsageError(
            f"--people should have the columns {', '.join((USER, ADDRESS, *data))}",
            f"There is no {' and no '.join(missing)} in '{path}': it has {', '.join(first)}",
        )
    for row in chain([first], rows):
        yield Addressee(
            _text(row[USER]),
            _text(row[ADDRESS]),
            _text(row.get(NAME)),
            _text(row.get(LANGUAGE)),
            {name: _text(row[name]) for name in data},
        )


def _rows(path: str) -> Iterator[Mapping[str, Any]]:
    place = Path(path)
    try:
        if (place / "_delta_log").is_dir() or "://" in path:
            return _of_delta(path)
        if place.is_dir() or place.suffix == ".parquet":
            return _of_parquet(path)
        return _of_csv(place)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _of_csv(path: Path) -> Iterator[Mapping[str, Any]]:
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                line = reader.line_num
                if None in row or None in row.values():
                    raise UsageError(
                        f"Every row of '{path}' should have as many values as its header",
                        f"Line {line} has not",
                    )
                yield row
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise _unreadable(f"{path}, after line {line}", error) from None


def _of_parquet(path: str) -> Iterator[Mapping[str, Any]]:
    import pyarrow.dataset as ds

    return _of_batches(ds.dataset(path, format="parquet"), path)


def _of_delta(path: str) -> Iterator[Mapping[str, Any]]:
    # Here: the extension takes longer to load than all the rest.
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return _of_batches(DeltaTable(path).to_pyarrow_dataset(), path)
    except DeltaError as error:
        raise _unreadable(path, error) from None


def _of_batches(dataset: Any, path: str) -> Iterator[Mapping[str, Any]]:
    try:
        for batch in dataset.to_batches(batch_size=ROWS):
            yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(where: str, error: Exception) -> UsageError:
    return UsageError(
        "--people should name a CSV file in UTF-8, Parquet, or a Delta table",
        f"Found '{where}': {error}",
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
