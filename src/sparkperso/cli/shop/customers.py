"""As whom a visitor of the demo may sign in: customers who see different things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkperso.config import Settings
from sparkperso.core.errors import UsageError
from sparkperso.core.times import now
from sparkperso.decisions.decision import WEB, decide
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.users.attributes import attributes_of

LISTS, MEMBERS = "gold/recommendations", "gold/segments"
PROFILES, FEATURES = "gold/profiles", "gold/user_features"
MOST_USERS, MOST_ROWS = 400, 5_000


def customers_of(settings: Settings, book: Rulebook, n: int = 3) -> dict[str, str]:
    """Returns user_id → what they are, of up to `n` users with lists who are shown other content.

    Of the first users by id; those come first who are shown what is not everybody's, and those last
    who are shown the same as one before. Raises UsageError for a lake without recommendations.
    """
    lake = LakeReader(settings.lake)
    lists = _rows(lake, LISTS, "rank = 1", MOST_USERS)
    if not lists:
        raise UsageError(
            "The shop shows customers their lists",
            f"{LISTS} of this lake has none",
            "Run 'sparkperso demo' first, or 'sparkperso run' on your events",
        )
    users = dict.fromkeys(row["user_id"] for row in lists)
    segments = _segments(lake, users)
    features = _by_user(_rows(lake, FEATURES, _among(users), MOST_ROWS))
    profiles = _by_user(_rows(lake, PROFILES, _among(users), MOST_ROWS))
    seen: dict[tuple[Any, ...], str] = {}
    n_own: dict[str, int] = {}
    for user_id in users:
        facts = Facts(
            now(),
            {},
            user_id,
            attributes_of(features.get(user_id, {}), profiles.get(user_id, {})),
            frozenset(segments.get(user_id, {})),
            may_personalise=True,
        )
        web = [name for name, slot in book.slots.items() if WEB in slot.channels]
        shown = decide(book, facts, web).slots.values()
        if seen.setdefault(tuple(one.content_id for one in shown), user_id) == user_id:
            n_own[user_id] = sum(one.reason in ("rule", "tags") for one in shown)
    first = sorted(n_own, key=lambda user_id: -n_own[user_id])
    chosen = [*first, *(user_id for user_id in users if user_id not in n_own)][:n]
    return {user_id: _label(user_id, segments.get(user_id, {})) for user_id in chosen}


def _label(user_id: str, segments: Mapping[str, str]) -> str:
    labels = ", ".join(list(segments.values())[:2])
    return f"Customer {user_id}" + (f" ({labels})" if labels else "")


def _segments(lake: LakeReader, users: Mapping[str, None]) -> dict[str, dict[str, str]]:
    """User → segment id → label, rules before clusters."""
    rows = _rows(lake, MEMBERS, _among(users), MOST_ROWS)
    rows.sort(key=lambda row: (row["kind"] != "rule", row["segment_id"]))
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        name = row["segment_id"]
        found.setdefault(row["user_id"], {})[name] = row["label"] or name
    return found


def _by_user(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["user_id"]: row for row in rows}


def _rows(lake: LakeReader, table: str, where: str, limit: int) -> list[dict[str, Any]]:
    rows = [] if lake.open(table) is None else lake.select(table, where, limit, "user_id")
    return list(rows)


def _among(users: Mapping[str, None]) -> str:
    names = ", ".join("'" + user_id.replace("'", "''") + "'" for user_id in users)
    return f"user_id IN ({names})"
