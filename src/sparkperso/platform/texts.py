"""Typed values as text, in Columns."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

WHOLE = "decimal(38,0)"


def plain_text(column: Column, kind: T.DataType) -> Column:
    """Returns a value as text, as a person would write it, null for NaN.

    An identifier in a column of floats, as pandas makes one when a value is missing, is the text
    of the whole number: 17.0 is '17', and 12345678.0 is not '1.2345678E7'.
    """
    text = column.cast("string")
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        whole = column.try_cast(WHOLE)
        is_whole = whole.cast("double") == column
        return F.when(~F.isnan(column), F.when(is_whole, whole.cast("string")).otherwise(text))
    if isinstance(kind, T.DecimalType) and kind.scale:
        return F.when(column == F.floor(column), column.try_cast(WHOLE).cast("string")).otherwise(
            text
        )
    return text
