"""Looks through the lines of CSV files for what a reader of single lines would get wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from sparkperso.config.sources.input import InputConfig
from sparkperso.core.errors import JobError
from sparkperso.ingest.sources.files import SourceFile, literal

FIELD_END = "\x01"
UTF_8 = ("UTF-8", "UTF8")


def require_whole_lines(
    spark: SparkSession, files: Sequence[SourceFile], source: InputConfig
) -> frozenset[str]:
    """Returns the addresses of the files that may hold bytes which are no text in their charset.

    Raises JobError for a file in which a quoted field goes on in the next line: each half would be
    taken for a record of its own.
    """
    lines = spark.read.text([literal(file.place) for file in files])
    cut = F.when(_is_open("value", source), F.left(F.make_valid_utf8("value"), F.lit(80)))
    is_utf_8 = source.csv.encoding.upper() in UTF_8
    is_odd = ~F.is_valid_utf8("value") if is_utf_8 else F.lit(True)
    found = lines.select(
        F.col("_metadata.file_path").alias("path"), cut.alias("cut"), is_odd.alias("odd")
    )
    rows = found.groupBy("path").agg(F.min("cut").alias("cut"), F.bool_or("odd").alias("odd"))
    by_path = {row["path"]: row for row in rows.collect()}
    for file in files:
        row = by_path.get(file.path)
        if row is not None and row["cut"] is not None:
            raise JobError(
                f"Every record of '{source.name}' should be on one line",
                f"A quoted field does not end on its line in {file.place}: {row['cut']}",
                f"Set csv.multi_line: true in conf/sources/{source.name}.yaml, or fix the file",
            )
    return frozenset(path for path, row in by_path.items() if row["odd"])


def _is_open(line: str, source: InputConfig) -> Column:
    """Whether a line ends within quotes. Quotes within an unquoted field mean nothing (5" pipe).

    Only lines with an odd number of quotes can, and only they pay for the pattern.
    """
    quote, text = source.csv.quote, F.col(line)
    if not quote:
        return F.lit(False)
    single = F.replace(text, F.lit(quote * 2), F.lit(""))
    n_quotes = (F.length(single) - F.length(F.replace(single, F.lit(quote), F.lit("")))) / len(
        quote
    )
    fields = F.replace(single, F.lit(source.csv.delimiter), F.lit(FIELD_END))
    q, end = re.escape(quote), FIELD_END
    field = f"(?:{q}[^{q}]*+{q}[^{end}]*+|[^{q}{end}][^{end}]*+)?+"
    pattern = f"^(?:{field}{end})*+{q}[^{q}]*+$"
    return (n_quotes % 2 == 1) & fields.rlike(pattern)
