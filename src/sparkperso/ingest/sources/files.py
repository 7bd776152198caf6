"""Finds the files of a source, on whatever file system Spark can reach."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pyspark.sql import SparkSession

from sparkperso.config.sources.input import Format
from sparkperso.core.causes import cause_of
from sparkperso.core.errors import JobError, UsageError
from sparkperso.ingest.sources.places import format_of_name

GLOB = re.compile(r"([\\\[\]{}*?])")


@dataclass(frozen=True, order=True)
class SourceFile:
    """One file as it was found: address as Spark gives it, bytes, milliseconds of change."""

    path: str
    size: int
    modified_at: int

    @property
    def place(self) -> str:
        """Returns the path behind the address, in which `%20` stands for a blank."""
        return unquote(self.path)


def literal(path: str) -> str:
    """Returns a path as Spark's readers take it to the letter: without this, `[` is a pattern."""
    return GLOB.sub(r"\\\1", path)


def list_files(spark: SparkSession, path: str, may_be_empty: bool = False) -> list[SourceFile]:
    """Returns the files at `path` (a file, a folder with its subfolders, or a glob), sorted.

    A path that is there to the letter is no glob. Hidden files (`_…`, `.…`) and, beside others,
    empty files are left out. Raises UsageError when there is nothing at `path`, or a name that
    cannot be read; JobError when all that is there is empty; with `may_be_empty`, returns nothing
    then.
    """
    jvm: Any = spark._jvm
    found = _at(spark, path)
    if not found and not may_be_empty:
        raise UsageError(
            "--path names a file or a folder of events", f"There is no '{path}'", "Fix the path"
        )
    files = [file for system, status in found for file in _walk(jvm, system, status)]
    for file in files:
        _require_name(file.place)
    if not any(file.size for file in files) and not may_be_empty:
        raise JobError(
            f"'{path}' should hold at least one record",
            "The file is empty" if files else "The folder holds no files",
            "Nothing was written; export the data again, or name another path",
        )
    return sorted(file for file in files if file.size)


def _at(spark: SparkSession, path: str) -> list[tuple[Any, Any]]:
    """File system and status of all that a path names."""
    jvm: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    if "://" not in path and not path.startswith("file:"):
        _require_name(path)
    try:
        place = jvm.org.apache.hadoop.fs.Path(path)
        system = place.getFileSystem(conf)
        if system.exists(place):
            return [(system, system.getFileStatus(place))]
        return [(system, status) for status in system.globStatus(place) or ()]
    except Exception as error:
        raise UsageError(
            "--path names a file or a folder of events that can be read",
            f"'{path}': {cause_of(error)}",
            "Fix the path",
        ) from error


def _require_name(place: str) -> None:
    """Raises UsageError for a name with a colon, which stands for a scheme in Hadoop's paths."""
    name = place.rstrip("/").rpartition("/")[2]
    if ":" in name:
        raise UsageError(
            "Names of files should have no colon, which Hadoop's paths keep for schemes (s3a://)",
            f"Found '{name}' in '{place}'",
            "Rename it",
        )


def named_files(spark: SparkSession, paths: Iterable[str]) -> list[SourceFile]:
    """Returns the files at addresses as rows name them."""
    jvm: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    places = [jvm.org.apache.spark.paths.SparkPath.fromUrlString(p).toPath() for p in sorted(paths)]
    return [_file(jvm, place.getFileSystem(conf).getFileStatus(place)) for place in places]


def format_of(file: SourceFile, given: Format | None) -> Format:
    """Returns the format that a source gives, or the one that the file's name tells."""
    return format_of_name(file.place, given)


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
