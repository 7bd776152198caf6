"""Nanoseconds of Parquet, which Spark reads as numbers: the footer says which of two they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.ingest.sources.files import SourceFile

Nanoseconds = tuple[tuple[str, Literal["instant", "wall"]], ...]
"""Column → whether its timestamps are adjusted to UTC."""


def nanoseconds_of(spark: SparkSession, file: SourceFile, columns: Sequence[str]) -> Nanoseconds:
    """Returns those of `columns` that are timestamps in nanoseconds in a file."""
    jvm: Any = spark._jvm
    conf = spark._jsc.hadoopConfiguration()
    path = jvm.org.apache.hadoop.fs.Path(file.place)
    hadoop = jvm.org.apache.parquet.hadoop
    reader = hadoop.ParquetFileReader.open(hadoop.util.HadoopInputFile.fromPath(path, conf))
    try:
        schema = reader.getFooter().getFileMetaData().getSchema()
        places = range(schema.getFieldCount())
        kinds = (
            (schema.getFieldName(place), schema.getType(place).getLogicalTypeAnnotation())
            for place in places
        )
        return tuple(
            (name, "instant" if kind.isAdjustedToUTC() else "wall")
            for name, kind in kinds
            if name in columns and kind is not None and str(kind).startswith("TIMESTAMP(NANOS")
        )
    finally:
        reader.close()


def with_times(frame: DataFrame, nanoseconds: Nanoseconds) -> DataFrame:
    """Returns the frame with timestamps, with or without zone, in the place of the numbers."""
    return frame.withColumns({name: _time(name, kind) for name, kind in nanoseconds})


def _time(name: str, kind: str) -> Column:
    column = f"`{name.replace('`', '``')}`"
    if kind == "instant":
        return F.expr(f"timestamp_micros({column} div 1000)")
    epoch = "TIMESTAMP_NTZ '1970-01-01 00:00:00'"
    return F.expr(f"timestampadd(MICROSECOND, {column} div 1000, {epoch})")
