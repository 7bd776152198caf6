"""Events by day, type and channel: how many, in which window, of whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sparkperso.services.dashboard.queries.lake import LakeTables, Row, literal

EVENTS = "silver/events"


@dataclass(frozen=True)
class Window:
    """Days that are looked at, both ends among them, and how many events they hold."""

    first: date
    last: date
    n_events: int
    is_cut: bool = False
    """More days were asked for than may be counted at a time."""

    @property
    def n_days(self) -> int:
        """Returns how many days it has."""
        return (self.last - self.first).days + 1

    @property
    def condition(self) -> str:
        """Returns it as SQL, by which files are left out."""
        return f"event_date BETWEEN {literal(self.first)} AND {literal(self.last)}"


def _counted(lake: LakeTables, name: str) -> list[tuple[Any, int]]:
    """Returns each value of one of three columns, and how many events it has; raises AbsentTable.

    Of one scan of the table, which is what costs: the counts of all three are kept.
    """
    import pyarrow as pa

    text = "SELECT event_date, event_type, channel, count(*) AS n FROM e GROUP BY 1, 2, 3"
    counts = lake.sql(text, e=EVENTS)
    values = counts[name]
    if not pa.types.is_date(values.type):
        # Arrow groups by no view of a text, which is what DataFusion gives.
        values = values.cast(pa.string())
    grouped = pa.table({"value": values, "n": counts["n"]}).group_by("value")
    summed = grouped.aggregate([("n", "sum")])
    found = zip(summed["value"].to_pylist(), summed["n_sum"].to_pylist(), strict=True)
    return [(value, n) for value, n in found if value is not None]


def events_by_day(lake: LakeTables) -> list[tuple[date, int]]:
    """Returns each day that has events, and how many; raises AbsentTable."""
    return sorted(_counted(lake, "event_date"))


def window_of(lake: LakeTables, days: int, most: int) -> Window | None:
    """Returns the latest `days` days up to the latest event, fewer where they hold too much.

    None for a table without events. At least one day is looked at. Raises AbsentTable.
    """
    counted = events_by_day(lake)
    if not counted:
        return None
    last = counted[-1][0]
    asked = last - timedelta(days=days - 1)
    total, first = 0, last
    for day, n in reversed(counted):
        if day < asked:
            break
        if total and total + n > most:
            return Window(day + timedelta(days=1), last, total, is_cut=True)
        total, first = total + n, day
    # Days without events before the first one cost nothing, and were asked for.
    return Window(min(asked, first), last, total)


def event_types(lake: LakeTables) -> list[str]:
    """Returns the types that there are, the most frequent first; raises AbsentTable."""
    return [
        kind for kind, _ in sorted(_counted(lake, "event_type"), key=lambda one: (-one[1], one[0]))
    ]


def events_by_type(lake: LakeTables, window: Window, where: str = "") -> list[Row]:
    """Returns per type: events, users (identified), visitors and sessions as sent, the most first.

    A visitor is a user_id, else an anonymous_id. Distinct counts are exact. Raises AbsentTable.
    """
    also = f" AND {where}" if where else ""
    text = (
        "SELECT event_type, count(*) AS n, count(DISTINCT user_id) AS users, "
        "count(DISTINCT coalesce(user_id, anonymous_id)) AS visitors, "
        f"count(DISTINCT session_id) AS sessions FROM e WHERE {window.condition}{also} "
        "GROUP BY event_type ORDER BY n DESC, event_type"
    )
    return lake.rows(text, e=EVENTS)


def channels(lake: LakeTables) -> list[str]:
    """Returns the channels that events came by; raises AbsentTable."""
    return sorted(channel for channel, _ in _counted(lake, "channel"))
