"""What is true of one user of a made click stream: tallied while it is made, without Spark."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
DAY_PARTS = ("night", "morning", "afternoon", "evening")
DEVICES = ("mobile", "desktop", "tablet")


@dataclass(frozen=True)
class SessionTruth:
    """One session: its first and last event, and how many events it has."""

    start: datetime
    end: datetime
    n_events: int


@dataclass
class UserTruth:
    """One user's sessions and tallies; amounts are whole numbers, so sums are exact."""

    user_id: str
    sessions: list[SessionTruth] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    feature_use: Counter[str] = field(default_factory=Counter)
    orders: dict[str, set[str]] = field(default_factory=dict)
    last_purchase: datetime | None = None
    pence: int = 0
    tenths_of_depth: int = 0
    tenths_of_seconds: int = 0

    def features(self, as_of: datetime) -> dict[str, Any]:
        """Returns what build-features must find as of a time at or after the last event.

        Feature → value, of the units of gold/user_features: days, seconds, shares of 0 to 1,
        currency.
        """
        return {
            "user_id": self.user_id,
            **self._times(as_of),
            **self._orders(),
            **self._visits(as_of),
            **self._engagement(),
            **self._habits(),
        }

    def _times(self, as_of: datetime) -> dict[str, Any]:
        first, last = self.sessions[0].start, self.sessions[-1].end
        since = first if self.last_purchase is None else self.last_purchase
        return {
            "recency_days": (as_of - since) / DAY,
            "inactive_days": (as_of - last) / DAY,
            "tenure_days": (as_of - first) / DAY,
        }

    def _orders(self) -> dict[str, Any]:
        lines = sum(len(items) for items in self.orders.values())
        paid, returned = self.types["purchase"], self.types["refund"]
        return {
            "frequency": len(self.orders),
            "monetary": self.pence / 100,
            "basket_size": _ratio(lines, len(self.orders)),
            "refund_share": _ratio(returned, paid + returned),
        }

    def _visits(self, as_of: datetime) -> dict[str, Any]:
        lengths = sum(((s.end - s.start) for s in self.sessions), timedelta())
        starts = [session.start for session in self.sessions]
        return {
            "sessions": len(starts),
            "avg_session_seconds": _ratio(lengths / SECOND, len(starts)),
            "visits_7d": sum(start > as_of - 7 * DAY for start in starts),
            "visits_30d": sum(start > as_of - 30 * DAY for start in starts),
        }

    def _engagement(self) -> dict[str, Any]:
        views = self.types["page_view"] + self.types["item_view"]
        return {
            "click_through": _ratio(self.types["click"], views),
            "add_to_cart_rate": _ratio(self.types["add_to_cart"], self.types["item_view"]),
            "avg_scroll_depth": _ratio(self.tenths_of_depth / 10, self.types["scroll"]),
            "avg_dwell_seconds": _ratio(self.tenths_of_seconds / 10, self.types["dwell"]),
        }

    def _habits(self) -> dict[str, Any]:
        total, named = self.types.total(), self.categories.total()
        most = sorted(self.categories, key=lambda name: (-self.categories[name], name))
        return {
            "n_events": total,
            "n_categories": len(self.categories),
            "top_category": most[0] if most else None,
            "category_mix": {name: n / named for name, n in self.categories.items()},
            "feature_use": dict(self.feature_use),
            "weekend_share": _ratio(self.parts["weekend"], total),
            **{f"share_{part}": _ratio(self.parts[part], total) for part in DAY_PARTS},
            **{f"share_{d}": _ratio(self.devices[d], self.devices.total()) for d in DEVICES},
        }

    def note(self, event: dict[str, Any], when: datetime, order: str) -> None:
        """Tallies one event; `order` is what its purchase belongs to."""
        kind, metadata = event["event_type"], event["metadata"]
        self.types[kind] += 1
        self.parts[DAY_PARTS[when.hour // 6]] += 1
        self.parts["weekend"] += when.weekday() >= 5
        self.devices.update([event["context"]["device_type"]] if "context" in event else [])
        self.feature_use.update([metadata["feature"]] if "feature" in metadata else [])
        if "category" in metadata and kind != "refund":
            self.categories[metadata["category"]] += 1
        self._note_amounts(event, when, order)

    def _note_amounts(self, event: dict[str, Any], when: datetime, order: str) -> None:
        kind, metadata = event["event_type"], event["metadata"]
        if kind == "purchase":
            self.last_purchase = when
            self.orders.setdefault(order, set()).add(event["item_id"])
        sign = {"purchase": 1, "refund": -1}.get(kind, 0)
        self.pence += sign * round(100 * event.get("value", 0))
        self.tenths_of_depth += round(10 * metadata.get("depth", 0))
        self.tenths_of_seconds += round(10 * metadata.get("seconds", 0))


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else 0.0
