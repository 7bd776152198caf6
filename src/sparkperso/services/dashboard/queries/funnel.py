"""Who did one thing, and then the next: people or sessions per step of a funnel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sparkperso.services.dashboard.queries.events import EVENTS, Window
from sparkperso.services.dashboard.queries.lake import LakeTables, one_of

if TYPE_CHECKING:
    import pyarrow as pa

UNITS: Final = {
    "visitors": "coalesce(user_id, anonymous_id)",
    "users": "user_id",
    "sessions": "session_id",
}
"""What goes through a funnel → its id. A session that was not sent as one is none here."""
WHO: Final = UNITS["visitors"]
NEVER, ALWAYS = np.iinfo(np.int64).max, np.iinfo(np.int64).min


class Step(NamedTuple):
    """How many reached a step of a funnel."""

    units: int
    people: int
    """Whose units they are: of sessions they may be fewer."""


def funnel(
    lake: LakeTables, window: Window, unit: str, steps: Sequence[str], where: str = ""
) -> list[Step]:
    """Returns how many units reached each step: each after the one before, within the window.

    A step is reached by the first event of its type that is not before the first one by which the
    step before was reached; a type that comes twice takes two events. Raises AbsentTable.
    """
    also = f" AND {where}" if where else ""
    # Others are people themselves: a second id of every event would take as long as the first.
    who = f"{WHO} AS who, " if unit == "sessions" else ""
    text = (
        f"SELECT {UNITS[unit]} AS unit, {who}event_type, timestamp AS at FROM e WHERE "
        f"{window.condition} AND event_type IN {one_of(steps)} AND {UNITS[unit]} IS NOT NULL{also}"
    )

    def count() -> pa.Table:
        import pyarrow as pa

        reached = _reached(lake.sql(text, e=EVENTS), steps)
        columns = zip(Step._fields, zip(*reached, strict=True), strict=True)
        return pa.table({name: pa.array(column, pa.int64()) for name, column in columns})

    counts = lake.kept(f"{text} {steps}", count, EVENTS)
    return [Step(**row) for row in counts.to_pylist()]


def _reached(events: pa.Table, steps: Sequence[str]) -> list[Step]:
    """Returns the units of each step, of events (unit, event_type, at; of sessions who), unordered.

    1. For each unit the time by which it reached the step before: at first, before all time.
    2. Of the step's events those not before that time, or after it where the type is the same;
       the first of each unit is the time by which it reached this step.
    3. The step's people are those of these events.
    """
    import pyarrow as pa

    if events.num_rows == 0:
        return [Step(0, 0) for _ in steps]
    encoded = _column(events, "unit").cast(pa.string()).dictionary_encode()
    units: Any = encoded.indices.to_numpy()
    who: Any = units
    if "who" in events.column_names:
        who = _column(events, "who").cast(pa.string()).dictionary_encode().indices
        who = who.fill_null(-1).to_numpy()
    kinds = _column(events, "event_type").cast(pa.string()).dictionary_encode()
    types, names = kinds.indices.to_numpy(), kinds.dictionary.to_pylist()
    times: Any = _column(events, "at").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    times = times.to_numpy()
    before = np.full(len(encoded.dictionary), ALWAYS)
    counts = []
    for place, step in enumerate(steps):
        is_step = types == (names.index(step) if step in names else -1)
        unit, at = units[is_step], times[is_step]
        is_same = place > 0 and steps[place - 1] == step
        is_later = at > before[unit] if is_same else at >= before[unit]
        now = np.full(len(before), NEVER)
        np.minimum.at(now, unit[is_later], at[is_later])
        people = np.unique(who[is_step][is_later])
        counts.append(Step(int((now != NEVER).sum()), int((people >= 0).sum())))
        before = now
    return counts


def _column(table: pa.Table, name: str) -> Any:
    return table[name].combine_chunks()
