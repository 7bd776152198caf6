"""Alerts: what is out of the ordinary for as long as it is, one row from its first to its last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sparkperso.core.hashing import short_hash
from sparkperso.core.times import iso
from sparkperso.monitoring.checks.finding import BAD, Finding

OPEN, RESOLVED = "open", "resolved"


@dataclass(frozen=True)
class Alert:
    """One row of ops/alerts, in the order of its columns."""

    alert_id: str
    check: str
    subject: str
    severity: str
    status: str
    value: float | None
    threshold: float | None
    message: str
    to_do: str
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None
    run_id: str


def reconcile(
    alerts: Iterable[Alert], findings: Iterable[Finding], now: datetime, run_id: str
) -> list[Alert]:
    """Returns the alerts that are new or changed, from those that are open and what was found.

    What goes on keeps its id and gets today's figures. What is in order again, or is looked at no
    more, is resolved; what cannot be told stays as it is. An alert that comes back is a new one.
    Of several on one subject, which two runs at once open, the first stays and the others end.
    """
    found = {(one.check, one.subject): one for one in findings}
    first: dict[tuple[str, str], Alert] = {}
    changed = []
    for alert in sorted(alerts, key=lambda one: (one.first_seen, one.alert_id)):
        subject = (alert.check, alert.subject)
        if (same := first.setdefault(subject, alert)) is not alert:
            twin = f"{alert.subject} is told by the alert {same.alert_id}"
            changed.append(_resolved(alert, twin, now, run_id))
            continue
        finding = found.pop(subject, None)
        if finding is None:
            gone = f"{alert.subject} is not looked at any more"
            changed.append(_resolved(alert, gone, now, run_id))
        elif finding.status == "ok":
            changed.append(_resolved(alert, finding.message, now, run_id))
        elif finding.status in BAD:
            changed.append(
                replace(
                    alert,
                    severity=finding.status,
                    value=finding.value,
                    threshold=finding.threshold,
                    message=finding.message,
                    to_do=finding.to_do,
                    last_seen=now,
                    run_id=run_id,
                )
            )
    return changed + [_opened(one, now, run_id) for one in found.values() if one.status in BAD]


def open_critical(alerts: Iterable[Alert]) -> Sequence[Alert]:
    """Returns the open alerts of severity critical."""
    return [one for one in alerts if one.status == OPEN and one.severity == "critical"]


def _opened(finding: Finding, now: datetime, run_id: str) -> Alert:
    return Alert(
        short_hash(f"{finding.check}\0{finding.subject}\0{iso(now)}"),
        finding.check,
        finding.subject,
        finding.status,
        OPEN,
        finding.value,
        finding.threshold,
        finding.message,
        finding.to_do,
        now,
        now,
        None,
        run_id,
    )


def _resolved(alert: Alert, message: str, now: datetime, run_id: str) -> Alert:
    return replace(alert, status=RESOLVED, message=message, resolved_at=now, run_id=run_id)
