"""The numbers that fulfil all bounds of a condition."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from sparkperso.rules.conditions import Comparison


class Interval(NamedTuple):
    """Numbers from `low` to `high`; an end that is open does not belong to them."""

    low: float = -inf
    is_low_open: bool = False
    high: float = inf
    is_high_open: bool = False

    def contains(self, number: float) -> bool:
        """Says whether a number is among them; NaN never is."""
        return (number > self.low if self.is_low_open else number >= self.low) and (
            number < self.high if self.is_high_open else number <= self.high
        )

    def lies_in(self, other: Interval) -> bool:
        """Says whether all of these numbers are among the other's."""
        # Of equal ends the open one is the narrower: False sorts before True.
        starts_later = (self.low, self.is_low_open) >= (other.low, other.is_low_open)
        return starts_later and (self.high, not self.is_high_open) <= (
            other.high,
            not other.is_high_open,
        )

    def meets(self, other: Interval) -> bool:
        """Says whether there is a number that is among both."""
        low, is_low_open = max((self.low, self.is_low_open), (other.low, other.is_low_open))
        high, is_high_closed = min(
            (self.high, not self.is_high_open), (other.high, not other.is_high_open)
        )
        return low < high or (low == high and not is_low_open and is_high_closed)


def interval_of(bounds: Comparison) -> Interval:
    """Returns the numbers that fulfil all bounds; all numbers where none is given.

    >>> interval_of(Comparison(at_least=2, above=2, at_most=9))
    Interval(low=2, is_low_open=True, high=9, is_high_open=False)
    """
    lows, highs = [(-inf, False)], [(inf, True)]
    if bounds.at_least is not None:
        lows.append((bounds.at_least, False))
    if bounds.above is not None:
        lows.append((bounds.above, True))
    if bounds.at_most is not None:
        highs.append((bounds.at_most, True))
    if bounds.below is not None:
        highs.append((bounds.below, False))
    if bounds.between is not None:
        lows.append((bounds.between[0], False))
        highs.append((bounds.between[1], True))
    (low, is_low_open), (high, is_high_closed) = max(lows), min(highs)
    return Interval(low, is_low_open, high, not is_high_closed)
