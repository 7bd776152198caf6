"""A span of time in which something holds."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from sparkperso.core.section import Section
from sparkperso.core.times import read_time

BEGINNING = datetime.min.replace(tzinfo=timezone.utc)
END = datetime.max.replace(tzinfo=timezone.utc)


def _in_utc(value: Any) -> Any:
    """YAML reads dates and times itself, but for those in quotes."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.replace(tzinfo=timezone.utc)
        try:
            return value.astimezone(timezone.utc)
        except OverflowError:
            raise ValueError("not a date of the calendar in UTC") from None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    # A number would be seconds: 20260301 is a day of 1970.
    if isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdigit()):
        raise ValueError("a time is a date, such as 2026-03-01, or one with hours")
    return read_time(value, timezone.utc) if isinstance(value, str) else value


Moment = Annotated[datetime, BeforeValidator(_in_utc)]
"""A time, in UTC where it has no offset of its own; a date is its midnight."""


class Window(Section):
    """From a moment, which belongs to it, until another, which does not.

    >>> spring = Window(**{"from": "2026-03-01", "until": "2026-06-01"})
    >>> spring.holds_at(datetime(2026, 6, 1, tzinfo=timezone.utc))
    False
    """

    from_: Moment = Field(default=BEGINNING, alias="from")
    """Without it, the window has no beginning."""
    until: Moment = END
    """Without it, the window has no end."""

    @model_validator(mode="after")
    def _is_not_empty(self) -> Window:
        if self.from_ >= self.until:
            raise ValueError("'from' should lie before 'until': the window holds no moment")
        return self

    def holds_at(self, moment: datetime) -> bool:
        """Says whether a moment lies in it."""
        return self.from_ <= moment < self.until

    def covers(self, other: Window) -> bool:
        """Says whether all of the other window lies in it."""
        return self.from_ <= other.from_ and other.until <= self.until

    def within(self, other: Window) -> Window | None:
        """Returns the part of it that lies in the other window; None where there is none."""
        start, end = max(self.from_, other.from_), min(self.until, other.until)
        return Window(**{"from": start, "until": end}) if start < end else None

    def __str__(self) -> str:
        """Returns it in words."""
        start = "" if self.from_ == BEGINNING else f"from {self.from_:%Y-%m-%d %H:%M} "
        end = "" if self.until == END else f"until {self.until:%Y-%m-%d %H:%M} "
        return f"{start}{end}UTC" if start or end else "always"
