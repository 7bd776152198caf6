"""Sets right the times of a client whose clock is wrong, by the time at which it says it sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sparkperso.core.times import iso
from sparkperso.services.collect.intake.event_validation import Invalid, time_of

TOLERANCE = timedelta(seconds=5)
"""A request is under way for a while: a clock that seems wrong by less is taken to be right."""


def corrected(at: Any, sent_at: Any, received_at: str) -> Any:
    """Returns `at` less what the client's clock was ahead when it sent, in UTC.

    The clock's error is `sent_at` − `received_at` (Segment's rule: timestamp = receivedAt − (sentAt
    − originalTimestamp)). `at` comes back as it was sent where the error is within TOLERANCE, where
    one of the times cannot be read, and where the outcome would lie outside 1970 to 2199: whoever
    checks the event judges it then.

    >>> at, sent, received = "2026-01-01T10:00:00Z", "2026-01-01T11:00:10Z", "2026-01-01T10:00:10Z"
    >>> corrected(at, sent, received)  # an hour ahead
    '2026-01-01T09:00:00+00:00'
    """
    try:
        error = _moment(sent_at) - _moment(received_at)
        if abs(error) <= TOLERANCE:
            return at
        right = _moment(at) - error
        time_of(iso(right))
        return right.isoformat()
    except (Invalid, OverflowError):
        return at


def _moment(sent: Any) -> datetime:
    """Returns a time in any form that events may have; raises Invalid."""
    return datetime.fromisoformat(time_of(sent).replace("Z", "+00:00"))
