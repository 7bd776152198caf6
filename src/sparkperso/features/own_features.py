"""Features of conf/features: SQL aggregates, summed in the same pass as the suite's own.

Every event is one more fact for each window that a feature looks back over; the facts of a window
have one key, so that a user's group of them holds all that the SQL may look at. There it is asked
whatever it aggregates, also what no two sums could be added up to (distinct counts, percentiles).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.own_features import KIND, OwnFeature
from sparkperso.core.causes import message_of
from sparkperso.core.errors import ConfigError
from sparkperso.platform.literals import instant

# Of sums of floats, whose order of adding should not show.
DECIMALS = 6
ALWAYS = "always"
ORDERLESS = re.compile(r"\b(first|last|any_value|approx_percentile|percentile_approx)\(")
"""Aggregates whose value depends on the order in which Spark meets the rows."""
CLOCKS = ("current_timestamp(", "current_date(", "localtimestamp(", "now(")
AS_OF = "as_of"


def require_aggregates(events: DataFrame, own: Sequence[OwnFeature], as_of: datetime) -> None:
    """Raises ConfigError that names every feature whose SQL gives no number per user, and why.

    Spark analyses it over the columns of `events`, and reads nothing.
    """
    frame = events.withColumn(AS_OF, instant(as_of))
    faults = {feature.name: _fault(frame, feature.sql) for feature in own}
    found = [f"{name}: {fault}" for name, fault in faults.items() if fault]
    if found:
        raise ConfigError(
            f"A feature of conf/{KIND} is an SQL aggregate of numbers over silver/events",
            "; ".join(found),
            "Fix its sql, such as count_if(event_type = 'wishlist')",
        )


def _fault(events: DataFrame, sql: str) -> str | None:
    try:
        asked = events.select(F.expr(sql).alias("value"))
    except (AnalysisException, ParseException) as error:
        return message_of(error)
    plan = asked._jdf.queryExecution().analyzed()
    if plan.nodeName() != "Aggregate":
        return "no aggregate, but a value per event"
    kind = asked.schema["value"].dataType
    if not isinstance(kind, T.NumericType):
        return f"no number, but {kind.simpleString()}"
    text = plan.toString().lower()
    if any(clock in text for clock in CLOCKS):
        return "it asks the clock: as_of is the time that a feature looks back from"
    if found := ORDERLESS.search(text):
        return f"{found[1]} may change from run to run, with the order of rows (try min_by)"
    return None


def windows_of(own: Sequence[OwnFeature]) -> dict[str, float | None]:
    """Returns key of facts → days of its window, None for all events: each once."""
    return {_key(feature): feature.window_days for feature in own}


def own_sums(own: Sequence[OwnFeature], kind: int) -> list[Column]:
    """Returns the features as aggregates of a (user_id, kind, key): null beside their own facts."""
    # Guarded, since a division by a sum of 0 raises, and other groups have other sums.
    return [
        F.when((F.col("kind") == kind) & (F.col("key") == _key(feature)), F.expr(feature.sql))
        .cast("double")
        .alias(_summed(feature))
        for feature in own
    ]


def own_maxima(own: Sequence[OwnFeature]) -> list[Column]:
    """Returns what `own_sums` found, as aggregates of a user: one of the keys has it."""
    return [F.max(_summed(feature)).alias(_summed(feature)) for feature in own]


def own_columns(own: Sequence[OwnFeature]) -> list[Column]:
    """Returns the features of a row with `own_maxima`: doubles, never null."""
    columns = []
    for feature in own:
        value = F.round(
            F.when(F.abs(_summed(feature)) < float("inf"), F.col(_summed(feature))), DECIMALS
        )
        columns.append(F.coalesce(value, F.lit(feature.missing)).alias(feature.name))
    return columns


def _key(feature: OwnFeature) -> str:
    return ALWAYS if feature.window_days is None else f"{feature.window_days:g}"


def _summed(feature: OwnFeature) -> str:
    # No SQL of a feature can name it, nor a column of the events be called so.
    return f"own {feature.name}"
