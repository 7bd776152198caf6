"""What a lake knows of one person, and the lists that it has for them; without Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkperso.config.content.slots import ListKind
from sparkperso.core.errors import UsageError
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.users.attributes import attributes_of

PROFILES, FEATURES, MEMBERS = "gold/profiles", "gold/user_features", "gold/segments"
LISTS, POPULAR, SIMILAR = "gold/recommendations", "gold/popular_items", "gold/similar_items"
ITEMS = "silver/items"
MOST_SEGMENTS = 1_000


@dataclass(frozen=True)
class Person:
    """One user of a lake; without an id, somebody whom nobody knows."""

    user_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    segments: Mapping[str, str] = field(default_factory=dict)
    """Segment id → label, in the order of the ids."""
    decision: bool | None = None
    """On personalisation; None where they were never asked."""


def read_person(lake: LakeReader, user_id: str) -> Person:
    """Returns what gold/profiles, gold/user_features and gold/segments say of a user.

    Raises UsageError for a user of none of them, and for a lake without profiles.
    """
    is_theirs = f"user_id = {_text(user_id)}"
    profiles = lake.select(PROFILES, is_theirs, 1)
    features = _select(lake, FEATURES, is_theirs, 1, "as_of DESC")
    members = _select(lake, MEMBERS, is_theirs, MOST_SEGMENTS)
    if not profiles and not features and not members:
        raise UsageError(
            "--user names a user of the lake",
            f"{PROFILES} has no '{user_id}'",
            f"'sparkperso tables show {PROFILES}' lists some; leave --user out for a new visitor",
        )
    profile = profiles[0] if profiles else {}
    return Person(
        user_id,
        attributes_of(features[0] if features else {}, profile),
        {row["segment_id"]: row["label"] or row["segment_id"] for row in members},
        (profile.get("consents") or {}).get("personalisation"),
    )


def read_list(
    lake: LakeReader, kind: ListKind, person: Person, context: Mapping[str, Any], n: int
) -> list[dict[str, Any]]:
    """Returns up to `n` items of a list, with title, category, tags and price where they are known.

    Popular items stand in for a list that a person has none of; a list of the session
    (`next`) is made by the model, which no table holds: it is empty.
    """
    ids: list[str] = []
    if kind == "similar" and "in_view" in context:
        where = f"item_id = {_text(context['in_view'])}"
        ids = [row["other_item_id"] for row in _select(lake, SIMILAR, where, n)]
    elif kind in ("new", "again", "mixed") and person.user_id is not None:
        where = f"user_id = {_text(person.user_id)} AND kind = '{kind}'"
        ids = [row["item_id"] for row in _select(lake, LISTS, where, n)]
    if not ids and kind in ("new", "mixed", "popular"):
        ids = [row["item_id"] for row in _select(lake, POPULAR, "scope = 'global'", n)]
    known = read_items(lake, ids)
    return [known.get(item_id, {"item_id": item_id}) for item_id in ids]


def read_items(lake: LakeReader, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns item_id → item_id, title, category, tags, price of those that silver/items has."""
    if not ids:
        return {}
    where = f"item_id IN ({', '.join(map(_text, dict.fromkeys(ids)))})"
    rows = _select(lake, ITEMS, where, len(ids))
    names = ("item_id", "title", "category", "tags", "price")
    return {row["item_id"]: {name: row[name] for name in names} for row in rows}


def _select(
    lake: LakeReader, table: str, where: str, limit: int, order_by: str | None = None
) -> list[dict[str, Any]]:
    """Rows of a table; none of one that was not written yet, as before the first training."""
    return [] if lake.open(table) is None else lake.select(table, where, limit, order_by)


def _text(value: str) -> str:
    """A text of SQL."""
    return "'" + value.replace("'", "''") + "'"
