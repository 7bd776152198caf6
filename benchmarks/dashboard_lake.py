"""A lake as large as one likes, written without Spark: what the dashboard's pages are timed on.

Its people and numbers mean nothing; its tables have the sizes, the types and the files of a shop
whose events come day by day, a year of them.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from sparkperso.schemas import TABLES

FIRST = date(2025, 12, 1)
DAYS = 365
TYPES = ("page_view", "item_view", "search", "add_to_cart", "purchase", "exposure")
SHARES = (0.45, 0.34, 0.06, 0.08, 0.04, 0.03)
CHANNELS = ("web", "mobile", "email")
EVENTS_PER_SESSION = 5
USERS, ITEMS = 200_000, 20_000
SEGMENTS = {"behaviour": 6, "audiences": 4, "groups": 8}
PLACES = 20
CONTEXT = pa.struct(
    [
        (name, pa.string())
        for name in ("device_type", "os", "country", "region", "page_url", "referrer", "campaign")
    ]
)
UTC = pa.timestamp("us", tz="UTC")


def write_lake(root: Path, n_events: int) -> None:
    """Writes silver/events, gold/interactions, segments, segment_history, recommendations."""
    chance = np.random.default_rng(7)
    users = pa.array([f"user-{n:07d}" for n in range(USERS)])
    items = pa.array([f"item-{n:05d}" for n in range(ITEMS)])
    for day in range(DAYS):
        _append(root, "silver/events", _events(chance, users, items, n_events // DAYS, day))
    _segments(root, chance, users)
    _recommendations(root, chance, users, items)


def _append(root: Path, name: str, table: pa.Table) -> None:
    partitions = list(TABLES[name].partition_by) or None
    write_deltalake(f"{root}/{name}", table, mode="append", partition_by=partitions)


def _events(
    chance: np.random.Generator, users: pa.Array, items: pa.Array, n: int, day: int
) -> pa.Table:
    sessions = max(n // EVENTS_PER_SESSION, 1)
    session = np.sort(chance.integers(0, sessions, n))
    # A session is one person's, and some sessions are nobody's.
    person = np.minimum(chance.zipf(1.2, sessions) % USERS, USERS - 1)[session]
    is_known = (chance.random(sessions) < 0.7)[session]
    start = datetime.combine(FIRST + timedelta(days=day), datetime.min.time(), timezone.utc)
    begin = int(start.timestamp() * 1e6)
    seconds = np.sort(chance.integers(0, 86_400, n))
    times = pa.array(begin + seconds * 1_000_000, pa.int64()).cast(UTC)
    kind = chance.choice(len(TYPES), n, p=SHARES)
    names = np.array([f"s-{day}-{number}" for number in range(sessions)])
    of_item = pa.array(chance.zipf(1.1, n) % ITEMS)
    mask = pa.array(~is_known)
    user = pa.compute.if_else(mask, pa.scalar(None, pa.string()), users.take(pa.array(person)))
    value = np.where(kind == 4, np.round(chance.gamma(2, 20, n), 2), np.nan)
    empty = pa.nulls(n, pa.string())
    country = pa.array(np.array(["GB", "DE", "FR"])[chance.integers(0, 3, n)])
    return pa.table(
        {
            "event_id": pa.array([f"e-{day}-{number}" for number in range(n)]),
            "source": pa.array(np.repeat("site:shop", n)),
            "user_id": user,
            "anonymous_id": pa.array(np.char.add("a-", (person + 1).astype(str))),
            "session_id": pa.array(names[session]),
            "timestamp": times,
            "received_at": times,
            "event_type": pa.array(np.array(TYPES)[kind]),
            "channel": pa.array(np.array(CHANNELS)[chance.choice(3, n, p=(0.6, 0.35, 0.05))]),
            "item_id": items.take(of_item),
            "value": pa.array(value, from_pandas=True),
            "currency": pa.array(np.repeat("EUR", n)),
            "context": pa.StructArray.from_arrays(
                [empty, empty, country, empty, empty, empty, empty], fields=list(CONTEXT)
            ),
            "metadata": pa.array([[]] * n, pa.map_(pa.string(), pa.string())),
            "schema_version": pa.array(np.ones(n, np.int32)),
            "event_date": pa.array(np.repeat(np.datetime64(start.date()), n)),
            "event_key": pa.array(chance.integers(0, 2**62, n)),
            "ingest_batch": pa.array(np.repeat(f"batch-{day}", n)),
        }
    )


def _segments(root: Path, chance: np.random.Generator, users: pa.Array) -> None:
    as_of = datetime.combine(FIRST + timedelta(days=DAYS), datetime.min.time(), timezone.utc)
    for name, k in SEGMENTS.items():
        before, now = (chance.integers(1, k + 1, USERS) for _ in range(2))
        now = np.where(chance.random(USERS) < 0.9, before, now)
        ids = [pa.array(np.char.add(f"{name}-", one.astype(str))) for one in (before, now)]
        shared = {"segmentation": pa.array(np.repeat(name, USERS))}
        moment = pa.array([as_of] * USERS, UTC)
        _append(
            root,
            "gold/segments",
            pa.table(
                {
                    "user_id": users,
                    "segment_id": ids[1],
                    **shared,
                    "exclusive": pa.array(np.ones(USERS, bool)),
                    "label": ids[1],
                    "kind": pa.array(np.repeat("kmeans", USERS)),
                    "distance": pa.array(chance.random(USERS)),
                    "model_version": pa.array(np.repeat("m2", USERS)),
                    "assigned_at": moment,
                }
            ),
        )
        moved = np.flatnonzero(before != now)
        month = pa.array([as_of - timedelta(days=30)] * USERS, UTC)
        for segment, change, rows, at in (
            (ids[0], "entered", np.arange(USERS), month),
            (ids[0], "left", moved, moment),
            (ids[1], "entered", moved, moment),
        ):
            taken = pa.array(rows)
            _append(
                root,
                "gold/segment_history",
                pa.table(
                    {
                        "user_id": users.take(taken),
                        "segment_id": segment.take(taken),
                        "segmentation": pa.array(np.repeat(name, len(rows))),
                        "label": segment.take(taken),
                        "change": pa.array(np.repeat(change, len(rows))),
                        "as_of": at.take(taken),
                        "model_version": pa.array(np.repeat("m1", len(rows))),
                        "assigned_at": at.take(taken),
                    }
                ),
            )


def _recommendations(
    root: Path, chance: np.random.Generator, users: pa.Array, items: pa.Array
) -> None:
    n = USERS * PLACES
    of_user = pa.array(np.repeat(np.arange(USERS), PLACES))
    moment = datetime.combine(FIRST + timedelta(days=DAYS), datetime.min.time(), timezone.utc)
    item = items.take(pa.array(chance.zipf(1.1, n) % ITEMS))
    _append(
        root,
        "gold/recommendations",
        pa.table(
            {
                "user_id": users.take(of_user),
                "kind": pa.array(np.repeat("new", n)),
                "rank": pa.array(np.tile(np.arange(1, PLACES + 1, dtype=np.int32), USERS)),
                "item_id": item,
                "score": pa.array(chance.random(n)),
                "strategy": pa.array(np.repeat("hybrid", n)),
                "reason": pa.array(np.repeat("model", n)),
                "model_version": pa.array(np.repeat("1", n)),
                "generated_at": pa.array([moment] * n, UTC),
            }
        ),
    )
    per_user = np.minimum(chance.zipf(1.4, USERS), 300)
    owners = np.repeat(np.arange(USERS), per_user)
    n = len(owners)
    _append(
        root,
        "gold/interactions",
        pa.table(
            {
                "user_id": users.take(pa.array(owners)),
                "item_id": items.take(pa.array(chance.integers(0, ITEMS, n))),
                "strength": pa.array(chance.random(n)),
                "n_events": pa.array(np.ones(n, np.int64)),
                "first_at": pa.array([moment] * n, UTC),
                "last_at": pa.array([moment] * n, UTC),
            }
        ),
    )
