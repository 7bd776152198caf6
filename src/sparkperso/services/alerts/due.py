"""Which alerts a channel is to be told of now: plain rows and times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sparkperso.core.times import iso

Row = Mapping[str, Any]
Kind = Literal["opened", "raised", "repeated", "resolved"]
RANK = {"warning": 0, "critical": 1}
DELIVERED = "delivered"


@dataclass(frozen=True)
class Notice:
    """One alert that a channel is told of, and why now."""

    alert: Row
    """A row of ops/alerts."""
    kind: Kind
    channel: str
    delivery_id: str
    """The same at every attempt: receivers know a second one by it."""


@dataclass(frozen=True)
class Terms:
    """What a channel is told of."""

    channel: str
    severity: str
    """Alerts below it are not sent."""
    repeat: timedelta
    """When an alert that goes on is sent again."""


def due_notices(
    alerts: Iterable[Row], deliveries: Iterable[Row], terms: Terms, now: datetime
) -> list[Notice]:
    """Returns what a channel is to be told, critical alerts first.

    An open alert of its severity when nothing was delivered of it yet; when it became critical
    since; when the last message is `repeat` old. A resolved one once, if the channel knew of it.
    """
    known: dict[str, list[Row]] = {}
    for row in sorted(deliveries, key=lambda one: one["sent_at"]):
        if row["channel"] == terms.channel and row["outcome"] == DELIVERED:
            known.setdefault(row["alert_id"], []).append(row)
    notices = []
    for alert in alerts:
        sent = known.get(alert["alert_id"], [])
        kind = _kind(alert, sent, terms, now)
        if kind is not None:
            last = iso(sent[-1]["sent_at"]) if sent else ""
            parts = "\0".join((alert["alert_id"], terms.channel, kind, last))
            digest = hashlib.sha256(parts.encode()).hexdigest()
            notices.append(Notice(alert, kind, terms.channel, f"msg_{digest[:32]}"))
    return sorted(notices, key=_order)


def _kind(alert: Row, sent: Sequence[Row], terms: Terms, now: datetime) -> Kind | None:
    if alert["status"] != "open":
        is_said = any(row["kind"] == "resolved" for row in sent)
        return "resolved" if sent and not is_said else None
    if RANK[alert["severity"]] < RANK[terms.severity]:
        return None
    if not sent:
        return "opened"
    last = sent[-1]
    if RANK[alert["severity"]] > RANK[last["severity"]]:
        return "raised"
    return "repeated" if now - last["sent_at"] >= terms.repeat else None


def _order(notice: Notice) -> tuple[bool, int, str, str]:
    alert = notice.alert
    is_resolved = notice.kind == "resolved"
    return is_resolved, -RANK[alert["severity"]], alert["check"], alert["subject"]
