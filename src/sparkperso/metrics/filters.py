"""Which events a rule or a metric counts, as a Column over silver/events."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from sparkperso.rules.conditions import EventFilter
from sparkperso.rules.evaluate import CONTEXT

COLUMNS = ("event_type", "channel", "item_id", *CONTEXT)


def fits(kind: EventFilter) -> Column:
    """Returns whether an event of silver/events is of a kind: all parts of the filter hold.

    Never null; a filter without parts fits every event.
    """
    parts = [_column(name).isin(*values) for name in COLUMNS if (values := getattr(kind, name))]
    parts += [_metadata(key).isin(*values) for key, values in sorted(kind.metadata.items())]
    parts += [_metadata(key) != "" for key in kind.not_empty]
    never_null = [F.coalesce(part, F.lit(False)) for part in parts]
    return reduce(Column.__and__, never_null) if never_null else F.lit(True)


def any_of(flags: Iterable[str]) -> Column:
    """Returns whether any of several boolean columns is true."""
    return reduce(Column.__or__, [F.col(flag) for flag in flags])


def _column(name: str) -> Column:
    if name == "device_type":  # events of former versions have it as it was sent
        return F.lower("context.device_type")
    return F.col(f"context.{name}") if name in CONTEXT else F.col(name)


def _metadata(key: str) -> Column:
    return F.col("metadata").getItem(key)
