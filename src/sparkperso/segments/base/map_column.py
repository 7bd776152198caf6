"""A few known values, such as names of segments, looked up by a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F


def map_column(values: Mapping[Any, Any], key: Column) -> Column:
    """Returns the value that stands for the key of a row; null for a key that is not known.

    The values become part of the plan, so they should be few (segments, levels), not users.
    """
    return F.create_map(*[F.lit(part) for pair in values.items() for part in pair])[key]
