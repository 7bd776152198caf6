"""The expressions of a source's file as Columns."""

from __future__ import annotations

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.config.sources.input import InputConfig, MappedInput
from sparkperso.core.causes import cause_of
from sparkperso.core.errors import ConfigError


def checked(records: DataFrame, name: str, expression: str, source: InputConfig) -> Column:
    """Returns a Spark SQL expression over `records` as a Column.

    Raises ConfigError, by the `name` that it has in the source's file, where Spark cannot make
    sense of it.
    """
    try:
        column = F.expr(expression)
        records.select(column)
    except (AnalysisException, ParseException) as error:
        known = source.names if isinstance(source, MappedInput) else source.all_fields
        raise ConfigError(
            f"'{name}' in conf/sources/{source.name}.yaml should be a Spark SQL expression over "
            f"{', '.join(known)}",
            cause_of(error),
            "Fix the expression",
        ) from None
    return column
