"""The first records of files on this machine, as Python values."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import islice
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from sparkperso.config.sources.input import CsvConfig, Format, InputConfig
from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.places import local_path
from sparkperso.ingest.sources.column_matching import is_same_name, require_distinct, spellings
from sparkperso.ingest.sources.places import format_of_name
from sparkperso.privacy.mask import mask

Record = dict[str, Any]
OPENERS: Mapping[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
JQ = "jq -c '.[]' takes a list apart, jq -c . joins an object's lines"


@dataclass(frozen=True)
class Head:
    """The beginning of an input, with its columns under the names that the source has for them."""

    files: tuple[Path, ...]
    format: Format
    found: tuple[str, ...]
    """Columns of the first file, as it spells them, and those that folders say."""
    matched: Mapping[str, str]
    """Column of the source → its spelling there; of JSON, where a record has it."""
    records: tuple[Record, ...]
    n_malformed: int
    malformed: str
    """Why the first record that cannot be read cannot be; empty where all can."""


def read_head(config: InputConfig, place: str, limit: int) -> Head:
    """Returns up to `limit` records of the first file at a place: a file, a folder or a glob.

    Raises UsageError for a place that is not of this machine or holds nothing, and for a format
    that no name tells; JobError for a file that cannot be read as the source says.
    """
    files = local_files(place)
    first = files[0]
    kind = format_of_name(str(first), config.format)
    readers = {"csv": _read_csv, "json": _read_json, "parquet": _read_parquet}
    try:
        found, rows, malformed = readers[kind](first, config, limit)
    except JobError:
        raise
    except UnicodeError as error:
        raise JobError(
            f"{first} should be text in {config.csv.encoding}",
            str(error),
            f"Set csv.encoding in conf/sources/{config.name}.yaml (windows-1252 is common), or "
            "fix the file",
        ) from error
    except Exception as error:  # of compressed files, charsets and Parquet, each its own
        raise JobError(
            f"{first} should be readable as {kind}", str(error), "Fix the file, or 'format'"
        ) from error
    folders = _folders_of(first)
    found = (*found, *(name for name in folders if name not in found))
    matched = {c: n for c in config.all_fields if (n := _spelling(config, c, found, kind, rows))}
    records = tuple(
        {column: _value({**folders, **row}, name, config) for column, name in matched.items()}
        for row in rows
    )
    why = malformed[0] if malformed else ""
    return Head(files, kind, found, matched, records, len(malformed), why)


def local_files(place: str) -> tuple[Path, ...]:
    """Returns the files at a place of this machine, sorted, without hidden and empty ones.

    Raises UsageError where there is none, or the place is elsewhere.
    """
    path = local_path(place)
    if path is None:
        raise UsageError(
            "Without Spark, files of this machine can be looked at",
            f"'{place}' is elsewhere",
            "Name a local sample by --path, or let Spark read it with --rows",
        )
    named = [Path(path)] if Path(path).exists() else [Path(one) for one in sorted(glob(path))]
    below = [
        file
        for one in named
        for file in (sorted(one.rglob("*")) if one.is_dir() else [one])
        if file.is_file() and not _is_hidden(file, one) and file.stat().st_size
    ]
    if not below:
        raise UsageError(
            "The path names a file or a folder of records",
            f"There is nothing to read at '{place}'",
            "Fix the path, or name another by --path",
        )
    return tuple(below)


def look_up(record: Mapping[str, Any], path: str) -> Any:
    """Returns what stands in a record under a name, or under a path of names; None without it.

    >>> look_up({"device": {"os": "Linux"}, "a.b": 1}, "device.os"), look_up({"a.b": 1}, "a.b")
    ('Linux', 1)
    """
    if path in record:
        return record[path]
    first, dot, rest = path.partition(".")
    inner = record.get(first)
    return look_up(inner, rest) if dot and isinstance(inner, Mapping) else None


def _is_hidden(file: Path, top: Path) -> bool:
    names = file.relative_to(top).parts if file != top else ()
    return any(name.startswith(("_", ".")) for name in names)


def _folders_of(file: Path) -> dict[str, str]:
    pairs = (unquote(part).partition("=") for part in file.parent.parts if "=" in part)
    return {name: value for name, _, value in pairs}


def _spelling(
    config: InputConfig, column: str, found: Sequence[str], kind: Format, rows: Sequence[Record]
) -> str | None:
    wanted = spellings(config, column)
    exact = next((name for name in wanted if name in found), None)
    if exact is not None:
        return exact
    if kind != "csv":
        inner = (n for n in wanted if any(look_up(row, n) is not None for row in rows))
        path = next(inner, None)
        if path is not None or kind == "json":  # JSON's names are as they are written
            return path
    return next((name for one in wanted for name in found if is_same_name(name, (one,))), None)


def _value(row: Mapping[str, Any], name: str, config: InputConfig) -> Any:
    value = look_up(row, name)
    if isinstance(value, str) and value.strip() in config.null_values:
        return None
    return value


def _open(file: Path) -> IO[bytes]:
    if file.suffix == ".zst":
        import pyarrow as pa

        stream: IO[bytes] = pa.input_stream(str(file), compression="zstd")
        return stream
    opened: IO[bytes] = OPENERS.get(file.suffix, open)(file, "rb")
    return opened


def _read_csv(
    file: Path, config: InputConfig, limit: int
) -> tuple[tuple[str, ...], list[Record], list[str]]:
    with _open(file) as stream:
        # As Spark does, lines end at \n and \r alone, not at what Unicode takes for a line's end.
        lines = io.TextIOWrapper(stream, encoding=config.csv.encoding, newline="")
        rows = _rows_of(lines, config.csv)
        header = next((row for row in rows if any(name.strip() for name in row)), [])
        sample = list(islice((row for row in rows if row), limit))
    names = [name or f"_c{place}" for place, name in enumerate(header)]
    if names:
        names[0] = names[0].removeprefix("\ufeff")
    _require_delimiter(names, file, config)
    require_distinct(names, str(file))
    _require_whole_lines(sample, file, config)
    whole = [dict(zip(names, row, strict=True)) for row in sample if len(row) == len(names)]
    n_cut = len(sample) - len(whole)
    why = [f"its number of fields is not that of the header ({len(names)})"] * n_cut
    return tuple(names), whole, why


def _rows_of(lines: Iterator[str], how: CsvConfig) -> Iterator[list[str]]:
    # A delimiter of several characters is none of the csv module's.
    mark = how.delimiter if len(how.delimiter) == 1 else "\x01"
    texts = (line.replace(how.delimiter, mark) for line in lines)
    if how.quote:
        return csv.reader(texts, delimiter=mark, quotechar=how.quote)
    return csv.reader(texts, delimiter=mark, quoting=csv.QUOTE_NONE)


def _require_delimiter(names: Sequence[str], file: Path, config: InputConfig) -> None:
    if len(names) != 1 or len(config.all_fields) < 2:
        return
    other = next((one for one in (";", "\t", "|", ",") if one in names[0]), None)
    if other:
        shown = "\\t" if other == "\t" else other
        raise JobError(
            f"CSV files of '{config.name}' should have '{config.csv.delimiter}' between fields",
            f"The header of {file} has none: {names[0][:80]}",
            f'Set csv.delimiter: "{shown}" in conf/sources/{config.name}.yaml',
        )


def _require_whole_lines(rows: Sequence[Sequence[str]], file: Path, config: InputConfig) -> None:
    """What `sources.lines` asks of files that are read line by line."""
    if config.csv.multi_line or config.csv.is_wide:
        return
    cut = next((row for row in rows if any("\n" in text or "\r" in text for text in row)), None)
    if cut is not None:
        line = config.csv.delimiter.join(cut).splitlines()[0]
        raise JobError(
            f"Every record of '{config.name}' should be on one line",
            f"A quoted field does not end on its line in {file}: {mask(line)[0][:80]}",
            f"Set csv.multi_line: true in conf/sources/{config.name}.yaml, or fix the file",
        )


def _read_json(
    file: Path, config: InputConfig, limit: int
) -> tuple[tuple[str, ...], list[Record], list[str]]:
    records: list[Record] = []
    malformed: list[str] = []
    with _open(file) as stream:
        for line in islice((line for line in stream if line.strip()), limit):
            try:
                value = json.loads(line)
            except ValueError as error:
                is_part = line.strip() in (b"[", b"{", b"[{")
                hint = f" ({JQ})" if is_part else ""
                malformed.append(f"a line should hold one JSON object: {error}{hint}")
                continue
            if isinstance(value, dict):
                records.append(value)
            else:
                malformed.append(
                    f"a line should hold one JSON object, not {type(value).__name__} ({JQ})"
                )
    names = dict.fromkeys(name for record in records for name in record)
    return tuple(names), records, malformed


def _read_parquet(
    file: Path, config: InputConfig, limit: int
) -> tuple[tuple[str, ...], list[Record], list[str]]:
    # Here: it takes longer to load than other formats to be read.
    from pyarrow import parquet

    source = parquet.ParquetFile(file)
    batches = source.iter_batches(batch_size=limit)
    rows: list[Record] = next((batch.to_pylist() for batch in batches), [])
    return tuple(source.schema_arrow.names), rows, []
