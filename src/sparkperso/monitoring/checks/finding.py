"""What a check found of a subject, and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sparkperso.config.monitoring.checks import Limits

Status = Literal["ok", "warning", "critical", "unknown"]
BAD: tuple[Status, ...] = ("warning", "critical")


@dataclass(frozen=True)
class Finding:
    """What one check says of one subject."""

    check: str
    """volume, drift, staleness, …"""
    subject: str
    """What it is about, such as `event_type=click`: unique in its check."""
    status: Status
    """`unknown`: too little is there to tell."""
    message: str
    """A sentence with the figures."""
    value: float | None = None
    threshold: float | None = None
    """The limit that was passed, or the next one."""
    to_do: str = ""
    """What to do about it."""


def above(value: float, limits: Limits) -> tuple[Status, float | None]:
    """Returns the status of a number that should be small, and the limit that says so.

    >>> above(7, Limits(warning=5, critical=8)), above(9, Limits(warning=5))
    (('warning', 5.0), ('warning', 5.0))
    """
    return _judged(lambda limit: value >= limit, limits)


def below(value: float, limits: Limits) -> tuple[Status, float | None]:
    """Returns the status of a number that should be large, and the limit that says so.

    >>> below(0.4, Limits(warning=0.9, critical=0.5))
    ('critical', 0.5)
    """
    return _judged(lambda limit: value < limit, limits)


def _judged(passes: Callable[[float], bool], limits: Limits) -> tuple[Status, float | None]:
    if limits.critical is not None and passes(limits.critical):
        return "critical", limits.critical
    if limits.warning is not None and passes(limits.warning):
        return "warning", limits.warning
    return "ok", limits.warning if limits.warning is not None else limits.critical
