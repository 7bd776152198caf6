"""What is cause enough to train anew: plain functions of what is known, and of `refresh`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sparkperso.config.refresh.section import AlertTrigger, RefreshConfig

DAY = 86_400.0
SEVERITIES = ("warning", "critical")


@dataclass(frozen=True)
class OpenAlert:
    """What a cause needs of a row of ops/alerts."""

    check: str
    subject: str
    severity: str
    message: str
    value: float | None = None
    """Of the check `kpi` how far the KPI lies from its median, in robust standard deviations."""


@dataclass(frozen=True)
class Known:
    """What is known when causes are looked for. All times are UTC and naive."""

    now: datetime
    """The clock's."""
    as_of: datetime
    """The latest event."""
    trained_at: datetime | None
    """End of the last training that was done."""
    champion: str | None
    """Its version; None where there is none."""
    champion_as_of: datetime | None
    """Time that its training looked back from."""
    events_before: int
    """Events up to then; all of them without a champion."""
    events_since: int
    """Events after it, up to as-of."""
    alerts: tuple[OpenAlert, ...] = ()


@dataclass(frozen=True)
class Cause:
    """One trigger, whether it fires, and why or why not."""

    name: str
    fires: bool
    why: str

    def __str__(self) -> str:
        """Returns it as a line of the command."""
        return f"{'fires' if self.fires else '     '}  {self.name}: {self.why}"


def causes(known: Known, config: RefreshConfig, falling: Collection[str] = ()) -> list[Cause]:
    """Returns every trigger, in one order, each with its reason.

    `falling` are the KPIs that are better the lower they are.
    """
    return [
        schedule(known, config.every_days),
        staleness(known, config.max_age_days),
        alerts("drift", known.alerts, config.drift),
        alerts("kpi", _worse(known.alerts, falling), config.kpi),
        volume(known, config),
    ]


def too_soon(known: Known, config: RefreshConfig) -> str | None:
    """Returns why nothing is a cause yet, so shortly after a training; None where enough passed."""
    if known.trained_at is None:
        return None
    days = _days(known.now, known.trained_at)
    if days >= config.min_days:
        return None
    return (
        f"the last training ended {_told(days)} ago; within {_told(config.min_days)} of one "
        "nothing is a cause (refresh.min_days)"
    )


def schedule(known: Known, every_days: float | None) -> Cause:
    """Returns whether the last training that was done is long enough ago, by the clock."""
    if every_days is None:
        return Cause("schedule", False, "there is none (refresh.every_days)")
    if known.trained_at is None:
        return Cause("schedule", True, "no training was ever done")
    days = _days(known.now, known.trained_at)
    why = f"the last training ended {_told(days)} ago, and one is due every {_told(every_days)}"
    return Cause("schedule", days >= every_days, why)


def staleness(known: Known, max_age_days: float | None) -> Cause:
    """Returns whether the champion knows too little of the last days, by the data's own time."""
    if max_age_days is None:
        return Cause("staleness", False, "not asked (refresh.max_age_days)")
    if known.champion is None or known.champion_as_of is None:
        return Cause("staleness", True, "there is no champion")
    days = max(_days(known.as_of, known.champion_as_of), 0.0)
    why = (
        f"champion {known.champion} knows events up to {_told(days)} before the latest, and up to "
        f"{_told(max_age_days)} are allowed"
    )
    return Cause("staleness", days > max_age_days, why)


def alerts(name: str, found: Iterable[OpenAlert], config: AlertTrigger) -> Cause:
    """Returns whether an alert is open of the checks that count, severe enough."""
    if not config.checks:
        return Cause(name, False, f"not asked (refresh.{name}.checks)")
    least = SEVERITIES.index(config.severity)
    counted = [
        one
        for one in found
        if one.check in config.checks and SEVERITIES.index(one.severity) >= least
    ]
    if not counted:
        kind = "critical alert" if least else "alert"
        return Cause(name, False, f"no {kind} of {', '.join(config.checks)} is open")
    return Cause(name, True, "; ".join(one.message for one in counted))


def volume(known: Known, config: RefreshConfig) -> Cause:
    """Returns whether so much happened since the champion's training that it is worth another."""
    wanted, since = config.volume, known.events_since
    if wanted.share is None and wanted.events is None:
        return Cause("volume", False, "not asked (refresh.volume)")
    if known.champion is None:
        return Cause("volume", True, f"there is no champion, and there are {since:,} events")
    bounds: list[tuple[float, str]] = []
    if wanted.events is not None:
        bounds.append((wanted.events, f"{wanted.events:,}"))
    if wanted.share is not None:
        bounds.append((wanted.share * known.events_before, f"{wanted.share:.0%} of them"))
    why = (
        f"{since:,} events since the champion's as-of, {known.events_before:,} before, and a cause "
        f"are {' or '.join(text for _, text in bounds)}"
    )
    return Cause("volume", since > 0 and any(since >= bound for bound, _ in bounds), why)


def _worse(found: Iterable[OpenAlert], falling: Collection[str]) -> list[OpenAlert]:
    """The alerts but for those of a KPI that moved to the better side."""
    return [
        one
        for one in found
        if one.check != "kpi" or one.value is None or (one.value > 0) == (one.subject in falling)
    ]


def _days(later: datetime, earlier: datetime) -> float:
    return (later - earlier).total_seconds() / DAY


def _told(days: float) -> str:
    if 0 < days < 1:
        return f"{days * 24:.3g} hours"
    return f"{days:.3g} day{'' if days == 1 else 's'}"
