"""Reads files into records: the text of each, its hash, and the columns that the mapping needs.

Every reader gives frames with the columns `_payload`, `_record_id`, `_file`, `_malformed`, and one
column per name of the source's `fields` and `optional_fields`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.source import SourceConfig
from sparkperso.ingest.files import SourceFile, format_of
from sparkperso.ingest.names import match_columns, spellings

FILE = "_metadata.file_path"
CORRUPT = "_corrupt"

Key = TypeVar("Key")


def read_records(
    spark: SparkSession, files: Sequence[SourceFile], source: SourceConfig
) -> list[DataFrame]:
    """Returns the records of all files, one frame per format and shape of file."""
    readers = {"json": _read_json, "csv": _read_csv, "parquet": _read_parquet}
    by_format = _grouped((format_of(file, source.format), file.path) for file in files)
    return [
        frame for kind, paths in by_format.items() for frame in readers[kind](spark, paths, source)
    ]


def _read_json(spark: SparkSession, paths: list[str], source: SourceConfig) -> Iterator[DataFrame]:
    yield json_records(spark.read.text(paths).select("value", F.col(FILE).alias("_file")), source)


def json_records(lines: DataFrame, source: SourceConfig, keep: Sequence[str] = ()) -> DataFrame:
    """Returns the records of JSON texts, `value` as string or bytes, that came from `_file`.

    Columns of `keep` stay, beside those that every reader gives. A variant's JSON has sorted keys
    and no blanks: the canonical form to hash. A line that is not UTF-8 is malformed; its payload
    is made valid, for tables must hold text.
    """
    lines = lines.withColumn("value", F.col("value").cast("string")).where(F.trim("value") != "")
    lines = lines.withColumn("_variant", _variant("value"))
    is_object = F.col("_variant").isNotNull() & F.ltrim("value").startswith("{")
    is_text = F.is_valid_utf8("value")
    canonical = F.coalesce(F.to_json("_variant"), F.col("value"))
    return lines.select(
        F.make_valid_utf8("value").alias("_payload"),
        F.sha2(canonical, 256).alias("_record_id"),
        "_file",
        (~(is_text & is_object)).alias("_malformed"),
        *(_member(source, column) for column in (*source.fields, *source.optional_fields)),
        *keep,
    )


def _variant(column: str) -> Column:
    return F.try_parse_json(F.col(column))


def _member(source: SourceConfig, column: str) -> Column:
    """A member of the JSON object as text; objects and lists stay JSON."""
    names = [name.replace("'", "\\'") for name in spellings(source, column)]
    found = [F.try_variant_get("_variant", f"$['{name}']", "string") for name in names]
    return (found[0] if len(found) == 1 else F.coalesce(*found)).alias(column)


def _read_csv(spark: SparkSession, paths: list[str], source: SourceConfig) -> Iterator[DataFrame]:
    """CSV with a header; files are read together only where their headers are the same."""
    options: dict[str, Any] = {
        "header": True,
        "sep": source.csv.delimiter,
        "quote": source.csv.quote,
        "escape": source.csv.quote,
        "encoding": source.csv.encoding,
        "multiLine": source.csv.multi_line,
    }
    headers = ((tuple(spark.read.csv(path, **options).columns), path) for path in paths)
    for header, same in _grouped(headers).items():
        schema = T.StructType([T.StructField(name, T.StringType()) for name in (*header, CORRUPT)])
        reader = spark.read.schema(schema).options(columnNameOfCorruptRecord=CORRUPT)
        yield _rows(reader.csv(same, **options), header, same, source)


def _read_parquet(
    spark: SparkSession, paths: list[str], source: SourceConfig
) -> Iterator[DataFrame]:
    """Parquet; parts whose types cannot be merged are read apart."""
    try:
        together = spark.read.option("mergeSchema", True).parquet(*paths)
        groups = {tuple(together.schema): paths}
    except AnalysisException:
        raise
    except Exception:
        groups = _grouped((tuple(spark.read.parquet(path).schema), path) for path in paths)
    for fields, same in groups.items():
        frame = spark.read.schema(T.StructType(list(fields))).parquet(*same)
        yield _rows(frame, [field.name for field in fields], same, source)


def _rows(
    frame: DataFrame, columns: Sequence[str], paths: list[str], source: SourceConfig
) -> DataFrame:
    """Rows as JSON with sorted keys and without nulls: both the payload and what is hashed."""
    matched = match_columns(source, columns, paths[0])
    row = F.to_json(F.struct(*(_quoted(name) for name in sorted(columns))))
    corrupt = _quoted(CORRUPT) if CORRUPT in frame.columns else F.lit(None).cast("string")
    rows = frame.select(
        F.coalesce(corrupt, row).alias("_payload"),
        F.col(FILE).alias("_file"),
        corrupt.isNotNull().alias("_malformed"),
        *_needed(source, matched),
    )
    return rows.withColumn("_record_id", F.sha2("_payload", 256))


def _needed(source: SourceConfig, matched: Mapping[str, str]) -> list[Column]:
    names = (*source.fields, *source.optional_fields)
    absent = F.lit(None).cast("string")
    return [(_quoted(matched[n]) if n in matched else absent).alias(n) for n in names]


def _quoted(name: str) -> Column:
    return F.col(f"`{name.replace('`', '``')}`")


def _grouped(pairs: Iterable[tuple[Key, str]]) -> dict[Key, list[str]]:
    """Returns first → all seconds, in a stable order."""
    ordered = sorted(pairs, key=lambda pair: (str(pair[0]), pair[1]))
    return {key: [path for _, path in same] for key, same in groupby(ordered, lambda p: p[0])}
