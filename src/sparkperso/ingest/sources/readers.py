"""Reads files into records: the text of each, its hash, and the columns that the mapping needs.

Every reader gives frames with the columns `_payload`, `_record_id`, `_file`, `_malformed` (why a
record cannot be read, else null), and one column per name of the source's `fields` and
`optional_fields`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.sources.input import InputConfig
from sparkperso.core.errors import JobError
from sparkperso.ingest.personal import COLUMNS
from sparkperso.ingest.sources.column_matching import (
    is_same_name,
    match_columns,
    require_distinct,
    spellings,
)
from sparkperso.ingest.sources.files import SourceFile, format_of, literal
from sparkperso.ingest.sources.folders import folder_columns
from sparkperso.ingest.sources.lines import require_whole_lines
from sparkperso.ingest.sources.nanoseconds import Nanoseconds, nanoseconds_of, with_times
from sparkperso.ingest.sources.peek import csv_header, require_charset
from sparkperso.platform.texts import WHOLE

FILE = "_metadata.file_path"
CORRUPT = "_corrupt"
UNDECODABLE = "\ufffd"
"""What readers put in the place of bytes that no text has."""
SEVERAL_LINES = r"^\s*(?:[\[\]}{]\s*,?\s*$|\[)|,\s*$"
"""Begins as a list, or is a part of what was written over several lines."""

Key = TypeVar("Key")


def read_records(
    spark: SparkSession, files: Sequence[SourceFile], source: InputConfig
) -> list[DataFrame]:
    """Returns the records of all files, one frame per format and shape of file.

    Raises JobError when there is no record in them, and for a file that cannot be read as the
    source says, by its name.
    """
    readers = {"json": _read_json, "csv": _read_csv, "parquet": _read_parquet}
    by_format = _grouped((format_of(file, source.format), file) for file in files)
    frames = [
        frame for kind, same in by_format.items() for frame in readers[kind](spark, same, source)
    ]
    if not frames:
        raise JobError(
            f"The files of '{source.name}' should hold at least one record",
            "They hold none",
            "Nothing was written; export the data again, or name another path",
        )
    return frames


def _read_json(
    spark: SparkSession, files: list[SourceFile], source: InputConfig
) -> Iterator[DataFrame]:
    lines = spark.read.text(_places(files)).select("value", F.col(FILE).alias("_file"))
    yield json_records(lines, source, folders=folder_columns((f.path for f in files), source))


def json_records(
    lines: DataFrame,
    source: InputConfig,
    keep: Sequence[str] = (),
    folders: Mapping[str, Column] | None = None,
) -> DataFrame:
    """Returns the records of JSON texts, `value` as string or bytes, that came from `_file`.

    Columns of `keep` stay, beside those that every reader gives; what a record lacks may stand in
    `folders`. A variant's JSON has sorted keys and no blanks: the canonical form to hash. A line
    that is not UTF-8 is malformed; its payload is made valid, for tables must hold text.
    """
    folders = folders or {}
    lines = lines.withColumn("value", F.col("value").cast("string")).where(F.trim("value") != "")
    lines = lines.withColumn("_variant", _variant("value"))
    is_object = F.col("_variant").isNotNull() & F.ltrim("value").startswith("{")
    is_text = F.is_valid_utf8("value")
    canonical = F.coalesce(F.to_json("_variant"), F.col("value"))
    if folders:
        canonical = F.concat_ws("\n", canonical, *(folders[name] for name in sorted(folders)))
    return lines.select(
        F.make_valid_utf8("value").alias("_payload"),
        F.sha2(canonical, 256).alias("_record_id"),
        "_file",
        F.when(~(is_text & is_object), _why_no_object(is_text)).alias("_malformed"),
        *(
            F.coalesce(_member(source, column), folders.get(column, _absent())).alias(column)
            for column in source.all_fields
        ),
        *keep,
    )


def _why_no_object(is_text: Column) -> Column:
    """What a line shows of its reason, and how to write it."""
    value = F.col("value")
    return (
        F.when(F.contains(value, F.lit("\0")), "it holds NUL; a file in UTF-16 is to be UTF-8")
        .when(~is_text, "it is not UTF-8")
        .when(
            F.rlike(value, F.lit(SEVERAL_LINES)),
            "a line should hold one object (jq -c '.[]' takes a list apart, jq -c . joins lines)",
        )
        .otherwise("a line should hold one JSON object")
    )


def _absent() -> Column:
    return F.lit(None).cast("string")


def _variant(column: str) -> Column:
    return F.try_parse_json(F.col(column))


def _member(source: InputConfig, column: str) -> Column:
    """A member of the JSON object as text; objects and lists stay JSON, and 1e3 is 1000."""
    names = [name.replace("'", "\\'") for name in spellings(source, column)]
    # A name with dots is a member of that name, or else leads through objects.
    paths = [[name] for name in names] + [name.split(".") for name in names if "." in name]
    found = [_plain("$" + "".join(f"['{part}']" for part in path)) for path in paths]
    return found[0] if len(found) == 1 else F.coalesce(*found)


def _plain(path: str) -> Column:
    """The few texts that look like a double are looked at again, for their type."""
    text = F.try_variant_get("_variant", path, "string")
    kind = F.schema_of_variant(F.try_variant_get("_variant", path, "variant"))
    number = text.try_cast("double")
    whole = text.try_cast(WHOLE)
    is_whole = (kind == "DOUBLE") & (whole.cast("double") == number)
    looks_so = F.contains(text, F.lit(".")) & text.rlike(r"^-?[0-9.]+(E-?[0-9]+)?$")
    return F.when(looks_so, F.when(is_whole, whole.cast("string")).otherwise(text)).otherwise(text)


def _read_csv(
    spark: SparkSession, files: list[SourceFile], source: InputConfig
) -> Iterator[DataFrame]:
    """CSV with a header; files are read together only where their headers are the same.

    A file without any line, as an empty table's export, has no record.
    """
    require_charset(spark, source)
    has_lines = not (source.csv.multi_line or source.csv.is_wide)
    options: dict[str, Any] = {
        "header": True,
        "sep": source.csv.delimiter,
        "quote": source.csv.quote,
        "escape": source.csv.quote,
        "encoding": source.csv.encoding,
        "multiLine": not has_lines,
    }
    headers = [(csv_header(spark, file, source), file) for file in files]
    headed = [file for header, file in headers if header]
    if not headed:
        return
    odd = require_whole_lines(spark, headed, source) if has_lines else None
    shapes = (((header, odd is None or file.path in odd), file) for header, file in headers)
    for (header, is_odd), same in _grouped(pair for pair in shapes if pair[0][0]).items():
        schema = T.StructType([T.StructField(name, T.StringType()) for name in (*header, CORRUPT)])
        reader = spark.read.schema(schema).options(columnNameOfCorruptRecord=CORRUPT)
        frame = reader.csv(_places(same), **options)
        yield _rows(frame, header, same, source, checks_text=is_odd)


def _read_parquet(
    spark: SparkSession, files: list[SourceFile], source: InputConfig
) -> Iterator[DataFrame]:
    """Parquet; parts whose types cannot be merged are read apart."""
    try:
        together = spark.read.option("mergeSchema", True).parquet(*_places(files))
        groups = {tuple(together.schema): files}
    except AnalysisException:
        for file in files:
            _require_names(spark, file)
        raise
    except Exception:
        groups = _grouped((tuple(_schema(spark, file)), file) for file in files)
    for fields, same in groups.items():
        names = [field.name for field in fields]
        for nanoseconds, alike in _by_nanoseconds(spark, fields, same, source).items():
            frame = spark.read.schema(T.StructType(list(fields))).parquet(*_places(alike))
            yield _rows(frame, names, alike, source, nanoseconds=nanoseconds)


def _schema(spark: SparkSession, file: SourceFile) -> T.StructType:
    return spark.read.parquet(literal(file.place)).schema


def _require_names(spark: SparkSession, file: SourceFile) -> None:
    try:
        _schema(spark, file)
    except AnalysisException:
        case = "spark.sql.caseSensitive"
        former = spark.conf.get(case)
        spark.conf.set(case, "true")
        try:
            names = tuple(_schema(spark, file).names)
        finally:
            spark.conf.set(case, str(former))
        require_distinct(names, file.place)
        raise


def _by_nanoseconds(
    spark: SparkSession,
    fields: Sequence[T.StructField],
    files: list[SourceFile],
    source: InputConfig,
) -> dict[Nanoseconds, list[SourceFile]]:
    """Files apart by which of their numbers are times; footers are read only where there may be."""
    wanted = [spelling for column in source.all_fields for spelling in spellings(source, column)]
    numbers = [
        field.name
        for field in fields
        if isinstance(field.dataType, T.LongType) and is_same_name(field.name, wanted)
    ]
    if not numbers:
        return {(): files}
    return _grouped((nanoseconds_of(spark, file, numbers), file) for file in files)


def _rows(
    frame: DataFrame,
    columns: Sequence[str],
    files: Sequence[SourceFile],
    source: InputConfig,
    *,
    nanoseconds: Nanoseconds = (),
    checks_text: bool = False,
) -> DataFrame:
    """Rows as JSON with sorted keys and without nulls: both the payload and what is hashed.

    Nanoseconds are hashed as the numbers that they are; as a payload they are times, since a number
    does not say that it is wall time.
    """
    frame = frame.withColumn("_file", F.col(FILE))
    folders = folder_columns((file.path for file in files), source)
    own = {
        name: value
        for name, value in folders.items()
        if not any(is_same_name(column, spellings(source, name)) for column in columns)
    }
    frame = frame.withColumns(own)
    columns = [*columns, *own]
    paths = nested_paths(frame.schema)
    matched = match_columns(source, [*columns, *paths], files[0].place)
    raw = _row(columns)
    frame = frame.withColumn("_hashed", raw) if nanoseconds else frame
    frame = with_times(frame, nanoseconds)
    corrupt = _quoted(CORRUPT) if CORRUPT in frame.columns else _absent()
    rows = frame.select(
        F.coalesce(corrupt, _row(columns)).alias("_payload", metadata={COLUMNS: columns}),
        "_file",
        F.when(corrupt.isNotNull(), "its number of fields is not that of the header").alias(
            "_malformed"
        ),
        *_needed(source, matched, paths),
        *(("_hashed",) if nanoseconds else ()),
    )
    if checks_text:
        is_odd = F.contains("_payload", F.lit(UNDECODABLE))
        why = f"it holds bytes that are no text in {source.csv.encoding} (csv.encoding)"
        rows = rows.withColumn("_malformed", F.when(is_odd, why).otherwise(F.col("_malformed")))
    hashed = F.col("_hashed" if nanoseconds else "_payload")
    return rows.withColumn("_record_id", F.sha2(hashed, 256)).drop("_hashed")


def _row(columns: Iterable[str]) -> Column:
    return F.to_json(F.struct(*(_quoted(name) for name in sorted(columns))))


def _needed(
    source: InputConfig, matched: Mapping[str, str], paths: Collection[str]
) -> list[Column]:
    names = source.all_fields
    return [(_column(matched[n], paths) if n in matched else _absent()).alias(n) for n in names]


def nested_paths(schema: T.StructType, prefix: str = "") -> list[str]:
    """Returns the dotted paths of all that lies within structs, without those of lists."""
    paths = []
    for field in schema:
        if isinstance(field.dataType, T.StructType):
            root = f"{prefix}{field.name}."
            paths += [root + inner.name for inner in field.dataType]
            paths += nested_paths(field.dataType, root)
    return list(dict.fromkeys(paths))


def _column(name: str, paths: Collection[str]) -> Column:
    if name not in paths:
        return _quoted(name)
    return F.col(".".join(f"`{part}`" for part in name.split(".")))


def _quoted(name: str) -> Column:
    return F.col(f"`{name.replace('`', '``')}`")


def _places(files: Iterable[SourceFile]) -> list[str]:
    return [literal(file.place) for file in files]


def _grouped(pairs: Iterable[tuple[Key, SourceFile]]) -> dict[Key, list[SourceFile]]:
    """Returns first → all seconds, in a stable order."""
    ordered = sorted(pairs, key=lambda pair: (str(pair[0]), pair[1]))
    return {key: [file for _, file in same] for key, same in groupby(ordered, lambda p: p[0])}
