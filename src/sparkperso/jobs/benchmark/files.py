"""Files that a benchmark reads and writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from sparkperso.core.causes import cause_of
from sparkperso.core.errors import JobError, UsageError
from sparkperso.ingest.sources.files import SourceFile, format_of, list_files, literal
from sparkperso.platform.filesystem import FileSystem

CSV: dict[str, Any] = {"header": True, "quote": '"', "escape": '"', "multiLine": True}


def require_writable(out: str | None) -> None:
    """Raises UsageError when the document's folder cannot be made."""
    if out is None:
        return
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        if Path(out).is_dir():
            raise IsADirectoryError(21, "it is a folder")
    except OSError as error:
        raise UsageError(f"--out names a file to write, not {out}", error.strerror or "") from None


def read(spark: SparkSession, arguments: Mapping[str, Any], option: str) -> Any:
    """Returns the rows of `--<option>`, None when it is not given.

    CSV has a header, and all its columns are text. Raises UsageError when there is nothing,
    JobError when it cannot be read.
    """
    path = arguments[option]
    if path is None:
        return None
    files = files_of(spark, option, path)
    try:
        return read_files(spark, option, files)
    except (PySparkException, Py4JJavaError) as error:
        raise JobError(
            f"--{option} should be readable: Parquet, or CSV with a header",
            f"'{path}' is not: {cause_of(error)}",
        ) from error


def files_of(spark: SparkSession, option: str, path: str) -> list[SourceFile]:
    """Returns the files at a path; raises UsageError when there are none, JobError when empty."""
    try:
        return list_files(spark, path)
    except UsageError:
        expected = f"--{option} names a file or a folder, Parquet or CSV"
        raise UsageError(expected, f"There is no '{path}'", "Fix the path") from None


def read_files(spark: SparkSession, option: str, files: list[SourceFile]) -> DataFrame:
    """Returns the rows of files of one format, columns matched by name.

    A column that a file lacks is null in its rows. Raises JobError for files of two formats.
    """
    kinds = {kind_of(option, file) for file in files}
    if len(kinds) > 1:
        raise JobError(f"--{option} should be files of one format", "Found Parquet beside CSV")
    paths = [literal(file.place) for file in files]
    if kinds == {"parquet"}:
        return spark.read.option("mergeSchema", True).parquet(*paths)
    frames = [spark.read.csv(path, **CSV) for path in paths]
    first, *others = frames
    if all(frame.columns == first.columns for frame in others):
        return spark.read.csv(paths, **CSV)
    for frame in others:
        first = first.unionByName(frame, allowMissingColumns=True)
    return first


def kind_of(option: str, file: SourceFile) -> str:
    """Returns parquet or csv, by the file's name; raises JobError for any other."""
    try:
        kind = format_of(file, None)
    except UsageError:
        kind = "json"
    if kind == "json":
        raise JobError(
            f"--{option} should be files named .parquet or .csv (or .csv.gz)",
            f"Found '{file.place}'",
            "Rename or convert it",
        )
    return kind


def write_one(lists: DataFrame, folder: str, name: str, order: tuple[str, ...]) -> None:
    """Writes lists as one Parquet file, <folder>/<name>.parquet, in this order.

    Spark writes folders: the one file of a scratch folder becomes the target, by Hadoop's file
    system, so that `folder` may be in any place that Spark can reach.
    """
    files, scratch, target = FileSystem(lists.sparkSession), f"{folder}/.{name}", f"{name}.parquet"
    one = lists.coalesce(1).sortWithinPartitions(*order)
    one.write.mode("overwrite").parquet(scratch)
    files.delete(f"{folder}/{target}")
    part = next(part for part in files.names(scratch) if part.startswith("part-"))
    files.rename(f"{scratch}/{part}", f"{folder}/{target}")
    files.delete(scratch)
    # A local folder's checksum, which nobody but Hadoop would look at.
    files.delete(f"{folder}/.{target}.crc")


def write_document(document: Mapping[str, Any], out: str | None) -> None:
    """Writes the document as JSON."""
    if out is not None:
        Path(out).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
