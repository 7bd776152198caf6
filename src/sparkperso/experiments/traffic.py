"""What a shop's past says of the units to come: how many, and how much a metric varies, by SQL.

For plans, before anything was shown: every unit counts from its first event within the days looked
at, as though it had been exposed then. Read through delta-rs, whose DataFusion adds up; no row of a
unit leaves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sparkperso.config.experiments.experiment import Unit
from sparkperso.config.metrics import Metric, Quantity
from sparkperso.core.errors import UsageError
from sparkperso.core.times import iso
from sparkperso.experiments.statistics.arms import mean_arms, ratio_arms
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.power import Expectation
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.rules.conditions import EventFilter
from sparkperso.rules.evaluate import CONTEXT

EVENTS = "silver/events"
COLUMN_OF = {"user": "user_id", "anonymous_id": "anonymous_id"}
AROUND = 0.05
"""How far from a quantile its slope is measured: a share of the units."""


@dataclass(frozen=True)
class Past:
    """The days that are looked at: from `start`, which belongs to them, to `end`."""

    start: datetime
    end: datetime
    unit: Unit
    cumulative_units: tuple[int, ...]
    """Different units seen on the first day, on the first two days, and so on."""

    @property
    def n_units(self) -> int:
        """Returns how many different units there were."""
        return self.cumulative_units[-1] if self.cumulative_units else 0


def read_past(reader: LakeReader, unit: Unit, days: int, end: datetime | None = None) -> Past:
    """Returns the last `days` days before `end`, which is the latest event's time without.

    Raises UsageError where there is no event of such a unit.
    """
    column = COLUMN_OF[unit]
    if end is None:
        (row,) = reader.query(f"SELECT max(timestamp) AS t FROM events WHERE {column} IS NOT NULL")
        if row["t"] is None:
            raise UsageError(
                f"A plan needs events that name the unit ({column})",
                f"There are none in {EVENTS}",
                "Ingest some, or plan for the other unit",
            )
        end = row["t"] + timedelta(microseconds=1)
    start = end - timedelta(days=days)
    rows = reader.query(
        f"""
        WITH {_firsts(column, start, end)}
        SELECT floor(({_epoch("first")} - {start.timestamp()}) / 86400) AS day, count(*) AS n
        FROM firsts GROUP BY 1
        """
    )
    by_day = {int(row["day"]): int(row["n"]) for row in rows}
    seen, cumulative = 0, []
    for day in range(days):
        seen += by_day.get(day, 0)
        cumulative.append(seen)
    return Past(start, end, unit, tuple(cumulative))


def expectation(reader: LakeReader, metric: Metric, past: Past) -> Expectation | None:
    """Returns what a metric was in the past, and the variance of a unit; None with too few units.

    Units count whose window is over by the end. A quantile's variance is q (1 − q) by the square of
    its density, which is measured between its neighbours (Serfling 1980, section 2.3.3).
    """
    units = _units(metric, past)
    if metric.kind == "quantile":
        return _of_quantile(reader, metric, units)
    (row,) = reader.query(
        f"{units} SELECT count(*) AS n, sum(y) AS y, sum(d) AS d, sum(y * y) AS yy, "
        "sum(y * d) AS yd, sum(d * d) AS dd FROM units"
    )
    n = int(row["n"])
    if n < 2:
        return None
    if metric.is_share:
        return Expectation.of_proportion(row["y"] / n)
    y, d = row["y"] / n, row["d"] / n
    yy, yd, dd = row["yy"] - n * y * y, row["yd"] - n * y * d, row["dd"] - n * d * d
    # Covariates are left out, so that a plan promises no more than the plainest test.
    moments = Moments(n, (y, d, 0.0, 1.0), (yy, yd, 0.0, 0.0, dd, 0.0, 0.0, 0.0, 0.0, 0.0))
    return Expectation.from_moments(moments, ratio_arms if metric.kind == "ratio" else mean_arms)


def _of_quantile(reader: LakeReader, metric: Metric, units: str) -> Expectation | None:
    q = metric.quantile or 0.5
    low, high = max(q - AROUND, 0.0), min(q + AROUND, 1.0)
    places = ", ".join(
        f"approx_percentile_cont(y, {at}) AS {name}"
        for name, at in (("low", low), ("middle", q), ("high", high))
    )
    (row,) = reader.query(f"{units} SELECT count(*) AS n, {places} FROM units")
    if int(row["n"]) < 2:
        return None
    slope = (row["high"] - row["low"]) / (high - low)
    return Expectation(float(row["middle"]), q * (1 - q) * slope * slope)


def _units(metric: Metric, past: Past) -> str:
    """SQL that begins with the table `units`: a row per unit with y, and d of a ratio, else 1."""
    column, end_days = COLUMN_OF[past.unit], metric.end_days
    until = past.end - timedelta(days=end_days or 0)
    parts = [
        _firsts(column, past.start, past.end),
        _values("ys", Quantity(of=metric.of, value=metric.value, less=metric.less), metric, past),
    ]
    d, joined = "1.0", "LEFT JOIN ys ON ys.unit = firsts.unit"
    if metric.denominator is not None:
        parts.append(_values("ds", metric.denominator, metric, past))
        d, joined = "coalesce(ds.value, 0.0)", f"{joined} LEFT JOIN ds ON ds.unit = firsts.unit"
    parts.append(
        f"raw AS (SELECT coalesce(ys.value, 0.0) AS y, {d} AS d FROM firsts {joined} "
        f"WHERE first <= {_moment(until)})"
    )
    parts.append(f"units AS (SELECT {_of_unit(metric)} AS y, d FROM raw)")
    return f"WITH {', '.join(parts)}"


def _of_unit(metric: Metric) -> str:
    if metric.is_share:
        return f"CASE WHEN y >= {metric.at_least} THEN 1.0 ELSE 0.0 END"
    if metric.cap is not None:
        return f"least(y, {metric.cap})"
    if metric.cap_quantile is not None:
        most = f"approx_percentile_cont(y, {metric.cap_quantile})"
        return f"least(y, (SELECT {most} FROM raw WHERE y <> 0))"
    return "y"


def _values(name: str, quantity: Quantity, metric: Metric, past: Past) -> str:
    """A table of (unit, value): a quantity added up within the metric's window of each unit."""
    column = COLUMN_OF[past.unit]
    window = [f"timestamp >= firsts.first + INTERVAL '{metric.start_days * 86400:.0f} seconds'"]
    if metric.end_days is not None:
        seconds = f"{metric.end_days * 86400:.0f} seconds"
        window.append(f"timestamp < firsts.first + INTERVAL '{seconds}'")
    source = (
        f"events JOIN firsts ON firsts.unit = events.{column} "
        f"WHERE {_within(past.start, past.end)} AND {' AND '.join(window)}"
    )
    if not quantity.is_of_sessions:
        return (
            f"{name} AS (SELECT unit, sum({_amount(quantity)}) AS value FROM {source} GROUP BY 1)"
        )
    # A session without an id is an hour, as rules count visits.
    session = "coalesce(session_id, cast(date_trunc('hour', timestamp) AS varchar))"
    value = {
        "sessions": "count(*)",
        "bounces": "sum(CASE WHEN n = 1 THEN 1 ELSE 0 END)",
        "session_seconds": "sum(seconds)",
    }[quantity.value]
    seconds = f"max({_epoch('timestamp')}) - min({_epoch('timestamp')})"
    return (
        f"{name}_sessions AS (SELECT unit, {session} AS session, count(*) AS n, "
        f"{seconds} AS seconds FROM {source} AND {fits_sql(quantity.of)} GROUP BY 1, 2), "
        f"{name} AS (SELECT unit, cast({value} AS double) AS value FROM {name}_sessions GROUP BY 1)"
    )


def _amount(quantity: Quantity) -> str:
    size = "1.0"
    if quantity.value == "sum_value":
        size = "value"
    elif quantity.value.startswith("metadata."):
        size = f"try_cast({_metadata(quantity.value.removeprefix('metadata.'))} AS double)"
    added = f"CASE WHEN {fits_sql(quantity.of)} THEN {size} ELSE 0.0 END"
    if quantity.less is None:
        return f"coalesce({added}, 0.0)"
    taken = f"CASE WHEN {fits_sql(quantity.less)} THEN {size} ELSE 0.0 END"
    return f"coalesce({added}, 0.0) - coalesce({taken}, 0.0)"


def fits_sql(kind: EventFilter) -> str:
    """Returns whether an event of silver/events is of a kind, as SQL of DataFusion; never null.

    >>> fits_sql(EventFilter(event_type="purchase"))
    "coalesce(event_type IN ('purchase'), false)"
    """
    parts = []
    for name in ("event_type", "channel", "item_id", *CONTEXT):
        if values := getattr(kind, name):
            place = f"context['{name}']" if name in CONTEXT else name
            place = f"lower({place})" if name == "device_type" else place
            parts.append(f"{place} IN ({', '.join(map(_text, values))})")
    for key, values in sorted(kind.metadata.items()):
        parts.append(f"{_metadata(key)} IN ({', '.join(map(_text, values))})")
    parts += [f"{_metadata(key)} <> ''" for key in kind.not_empty]
    return " AND ".join(f"coalesce({part}, false)" for part in parts) or "true"


def _firsts(column: str, start: datetime, end: datetime) -> str:
    return (
        f"firsts AS (SELECT {column} AS unit, min(timestamp) AS first FROM events "
        f"WHERE {column} IS NOT NULL AND {_within(start, end)} GROUP BY 1)"
    )


def _within(start: datetime, end: datetime) -> str:
    return f"timestamp >= {_moment(start)} AND timestamp < {_moment(end)}"


def _moment(at: datetime) -> str:
    return f"cast('{iso(at)}' AS timestamp)"


def _epoch(column: str) -> str:
    return f"cast(extract(epoch FROM {column}) AS double)"


def _metadata(key: str) -> str:
    return f"map_extract(metadata, {_text(key)})[1]"


def _text(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"
