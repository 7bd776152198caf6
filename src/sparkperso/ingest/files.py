"""Finds the files of a source, on whatever file system Spark can reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pyspark.sql import SparkSession

from sparkperso.config.source import Format
from sparkperso.errors import JobError, UsageError

PACKAGE = "package:"
LAKE = "lake:"
EXTENSIONS: dict[str, Format] = {
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
    "csv": "csv",
    "parquet": "parquet",
    "parq": "parquet",
}
COMPRESSED = (".gz", ".bz2", ".zst")


@dataclass(frozen=True, order=True)
class SourceFile:
    """One file as it was found: address as Spark gives it, bytes, milliseconds of change."""

    path: str
    size: int
    modified_at: int


def resolve_path(path: str, lake_root: str = "") -> str:
    """Returns the place of `package:<file>` or `lake:<folder>`, and any other path as it is."""
    if path.startswith(LAKE):
        return f"{lake_root.rstrip('/')}/{path.removeprefix(LAKE)}"
    if not path.startswith(PACKAGE):
        return path
    data = Path(__file__).resolve().parent.parent / "data"
    return str(data / path.removeprefix(PACKAGE))


def list_files(spark: SparkSession, path: str, may_be_empty: bool = False) -> list[SourceFile]:
    """Returns the files at `path` (a file, a folder with its subfolders, or a glob), sorted.

    Hidden files (`_…`, `.…`) and, beside others, empty files are left out. Raises UsageError when
    there is nothing at `path`, JobError when all that is there is empty; with `may_be_empty`,
    returns nothing then.
    """
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    system = place.getFileSystem(spark._jsc.hadoopConfiguration())
    found = system.globStatus(place) or ()
    if not found and not may_be_empty:
        raise UsageError(
            "--path names a file or a folder of events", f"There is no '{path}'", "Fix the path"
        )
    files = [file for status in found for file in _walk(jvm, system, status)]
    if not any(file.size for file in files) and not may_be_empty:
        raise JobError(
            f"'{path}' should hold at least one record",
            "The file is empty" if files else "The folder holds no files",
            "Nothing was written; export the data again, or name another path",
        )
    return sorted(file for file in files if file.size)


def named_files(spark: SparkSession, paths: Iterable[str]) -> list[SourceFile]:
    """Returns the files at addresses as rows name them."""
    jvm: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    places = [jvm.org.apache.spark.paths.SparkPath.fromUrlString(p).toPath() for p in sorted(paths)]
    return [_file(jvm, place.getFileSystem(conf).getFileStatus(place)) for place in places]


def format_of(file: SourceFile, given: Format | None) -> Format:
    """Returns the format that a source gives, or the one that the file's name tells."""
    if given:
        return given
    name = file.path.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    found = EXTENSIONS.get(name.rpartition(".")[2])
    if found is None:
        raise UsageError(
            f"File names should end in one of {', '.join(EXTENSIONS)}, with or without .gz",
            f"Found '{file.path}'",
            f"Rename it, or set 'format' ({', '.join(get_args(Format))}) in the source's file",
        )
    return found


def _walk(jvm: Any, system: Any, status: Any) -> Iterator[SourceFile]:
    if status.isDirectory():
        for child in system.listStatus(status.getPath()):
            if not child.getPath().getName().startswith(("_", ".")):
                yield from _walk(jvm, system, child)
    else:
        yield _file(jvm, status)


def _file(jvm: Any, status: Any) -> SourceFile:
    address = jvm.org.apache.spark.paths.SparkPath.fromPath(status.getPath()).urlEncoded()
    # Rows name their file with one slash after "file:".
    path = address.replace("file:///", "file:/", 1)
    return SourceFile(path, status.getLen(), status.getModificationTime())
