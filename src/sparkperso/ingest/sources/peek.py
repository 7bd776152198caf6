"""The beginning of a file, as bytes: its header, and what it says about how it is written."""

from __future__ import annotations

import csv
import io
from typing import Any

from pyspark.sql import SparkSession

from sparkperso.config.sources.input import InputConfig
from sparkperso.core.causes import cause_of
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.ingest.sources.column_matching import require_distinct
from sparkperso.ingest.sources.files import SourceFile

MOST_BYTES = 1 << 20
"""A header is not longer."""
WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = (";", "\t", "|", ",")


def csv_header(spark: SparkSession, file: SourceFile, source: InputConfig) -> tuple[str, ...]:
    """Returns the names in the header of a CSV file, none for a file without any record.

    Raises JobError, naming the file, when it cannot be read, is written otherwise than the source
    says, or names a column twice (capitals do not tell columns apart).
    """
    start = _start_of(spark, file)
    if start.startswith(WIDE_MARKS) and not source.csv.is_wide:
        raise JobError(
            f"Files of source '{source.name}' should be text in {source.csv.encoding}",
            f"{file.place} begins with the mark of UTF-16",
            f"Set csv.encoding: UTF-16 in conf/sources/{source.name}.yaml",
        )
    jvm: Any = spark._jvm
    text = str(jvm.java.lang.String(start, source.csv.encoding)).removeprefix("\ufeff")
    return header_in(text, file, source)


def header_in(text: str, file: SourceFile, source: InputConfig) -> tuple[str, ...]:
    """Returns the names in the header that a file's beginning holds; see `csv_header`."""
    try:
        row = _first_row(text, source.csv.delimiter, source.csv.quote)
    except csv.Error as error:
        raise JobError(
            "The header of a CSV file should be a line of names, with each quote closed",
            f"{file.place} has none: {cause_of(error)}",
            f"Fix the file, or set format, csv.delimiter or csv.quote in conf/sources/"
            f"{source.name}.yaml",
        ) from error
    names = tuple(name or f"_c{place}" for place, name in enumerate(row))
    _require_delimiter(names, file, source)
    require_distinct(names, file.place)
    return names


def require_charset(spark: SparkSession, source: InputConfig) -> None:
    """Raises ConfigError unless Java knows the charset that a source names."""
    jvm: Any = spark._jvm
    try:
        is_known = jvm.java.nio.charset.Charset.isSupported(source.csv.encoding)
    except Exception:  # A name that no charset may have.
        is_known = False
    if not is_known:
        raise ConfigError(
            f"csv.encoding in conf/sources/{source.name}.yaml should be a charset that Java knows, "
            "such as UTF-8, windows-1252 or UTF-16",
            f"Found '{source.csv.encoding}'",
        )


def _start_of(spark: SparkSession, file: SourceFile) -> bytes:
    """The first bytes, decompressed."""
    jvm: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    path = jvm.org.apache.hadoop.fs.Path(file.place)
    codec = jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(conf).getCodec(path)
    try:
        stream = path.getFileSystem(conf).open(path)
        try:
            content = codec.createInputStream(stream) if codec else stream
            return bytes(content.readNBytes(MOST_BYTES))
        finally:
            stream.close()
    except Exception as error:
        raise JobError(
            "Every file should be complete, and in the format of its extension",
            f"{file.place} cannot be read: {cause_of(error)}",
            "Nothing was written; replace or remove the file and start again",
        ) from error


def _first_row(text: str, delimiter: str, quote: str) -> list[str]:
    """The first row with something in it; none of a text of blank lines."""
    text = text.replace(delimiter, "\x01") if len(delimiter) > 1 else text
    mark = "\x01" if len(delimiter) > 1 else delimiter
    lines = io.StringIO(text)
    if quote:
        rows = csv.reader(lines, delimiter=mark, quotechar=quote)
    else:
        rows = csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_NONE)
    return next((row for row in rows if any(name.strip() for name in row)), [])


def _require_delimiter(names: tuple[str, ...], file: SourceFile, source: InputConfig) -> None:
    if len(names) != 1 or len((*source.fields, *source.optional_fields)) < 2:
        return
    for other in DELIMITERS:
        if other != source.csv.delimiter and other in names[0]:
            shown = "\\t" if other == "\t" else other
            raise JobError(
                f"CSV files of source '{source.name}' should have '{source.csv.delimiter}' between "
                "fields",
                f"The header of {file.place} has none: {names[0][:80]}",
                f'Set csv.delimiter: "{shown}" in conf/sources/{source.name}.yaml',
            )
