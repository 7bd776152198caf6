"""One person: what the lake knows of them, and what is recommended to them. Nothing is kept."""

from __future__ import annotations

from dataclasses import dataclass

from sparkperso.services.dashboard.queries.lake import AbsentTable, LakeTables, Row, one_of
from sparkperso.services.dashboard.queries.segments import HISTORY, MEMBERS, PROFILES

FEATURES = "gold/user_features"


@dataclass(frozen=True)
class Person:
    """All that is known of one person."""

    profile: Row | None
    features: dict[str, float]
    """Feature → value, of the latest as_of; those that have one."""
    segments: list[Row]
    """Segments now: with `since`, and what `gold/segment_profiles` says of each."""
    lists: list[Row]
    """Places of their lists, by kind and rank."""

    @property
    def is_known(self) -> bool:
        """Says whether the lake has heard of them."""
        return bool(self.profile or self.features or self.segments or self.lists)


def person(lake: LakeTables, user_id: str) -> Person:
    """Returns what there is of a person, by the id that the lake has; raises UnreadableLake."""
    columns = ("birth_year", "country", "attributes", "consents", "as_of")
    profiles = lake.of_user("gold/profiles", columns, user_id)
    return Person(
        profiles[0] if profiles else None,
        _features(lake, user_id),
        _segments(lake, user_id),
        _lists(lake, user_id),
    )


def _features(lake: LakeTables, user_id: str) -> dict[str, float]:
    if not lake.has(FEATURES):
        return {}
    columns = sorted(lake.columns(FEATURES) - {"user_id"})
    rows = lake.of_user(FEATURES, columns, user_id)
    if not rows:
        return {}
    latest = max(rows, key=lambda row: row["as_of"])
    return {
        name: float(value)
        for name, value in latest.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _segments(lake: LakeTables, user_id: str) -> list[Row]:
    columns = ("segment_id", "segmentation", "label", "kind", "distance", "assigned_at")
    now = lake.of_user(MEMBERS, columns, user_id)
    history = lake.of_user(HISTORY, ("segment_id", "change", "as_of"), user_id)
    since = {
        row["segment_id"]: row["as_of"]
        for row in sorted(history, key=lambda row: row["as_of"])
        if row["change"] == "entered"
    }
    told = _told_of(lake, [row["segment_id"] for row in now])
    rows = [
        {**row, "since": since.get(row["segment_id"]), **told.get(row["segment_id"], {})}
        for row in now
    ]
    return sorted(rows, key=lambda row: (row["segmentation"], row["segment_id"]))


def _told_of(lake: LakeTables, ids: list[str]) -> dict[str, Row]:
    """Returns segment_id → what it is like: the same for everybody who is in it."""
    if not ids:
        return {}
    try:
        columns = ("segment_id", "sentence", "centre")
        rows = lake.select(PROFILES, columns, f"segment_id IN {one_of(sorted(ids))}")
    except AbsentTable:
        return {}
    return {row["segment_id"]: row for row in rows}


def _lists(lake: LakeTables, user_id: str) -> list[Row]:
    columns = ("kind", "rank", "item_id", "score", "strategy", "reason", "model_version")
    rows = lake.of_user("gold/recommendations", columns, user_id)
    return sorted(rows, key=lambda row: (row["kind"], row["rank"]))
