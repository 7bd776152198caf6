"""Is a day out of the ordinary? Against the same weekdays before, by median and MAD."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from sparkperso.config.monitoring.checks import AnomalyConfig
from sparkperso.monitoring.checks.finding import Finding, above

NORMAL = 1.4826
"""Standard deviation of a normal distribution by its MAD."""
WEEK = timedelta(days=7)
FARTHEST = 1000.0
"""A score beyond says no more; of weeks that were all equal, any other day is so far away."""


@dataclass(frozen=True)
class Baseline:
    """What the same weekdays before were like."""

    n_weeks: int
    middle: float
    """Their median."""
    scale: float
    """How far a day lies from it by chance: an estimate of the standard deviation."""

    def score(self, value: float) -> float:
        """Returns how many standard deviations a value lies from the median, `FARTHEST` at most."""
        distance = value - self.middle
        if distance == 0:
            return 0.0
        score = distance / self.scale if self.scale > 0 else math.copysign(FARTHEST, distance)
        return max(-FARTHEST, min(score, FARTHEST))


def baseline(
    series: Mapping[date, float], day: date, weeks: int, *, is_count: bool
) -> Baseline | None:
    """Returns what the weekdays before a day were like; None where the series has none of them.

    The robust z-score of Iglewicz and Hoaglin (1993), with two corrections: MAD · n/(n − 0.8) for
    few weeks (Croux and Rousseeuw 1992, for large n), and √(1 + π/(2n)), since the median of n days
    varies too. Of counts the scale is at least the median's square root (Poisson),
    so that small numbers that happened to be equal make no baseline without width.
    """
    before = [day - n * WEEK for n in range(1, weeks + 1)]
    values = [series[one] for one in before if one in series]
    n = len(values)
    if not n:
        return None
    middle = median(values)
    deviation = median(abs(value - middle) for value in values)
    corrected = NORMAL * deviation * n / max(n - 0.8, 0.2)
    least = math.sqrt(max(middle, 1.0)) if is_count else 0.0
    return Baseline(n, middle, max(corrected, least) * math.sqrt(1 + math.pi / (2 * n)))


def judge_day(
    check: str,
    subject: str,
    series: Mapping[date, float],
    day: date,
    config: AnomalyConfig,
) -> Finding:
    """Returns whether a day of a series lies far from the same weekdays before.

    Far is both: many robust standard deviations (`scores`) and much of the median (`min_change`).
    """
    found = baseline(series, day, config.weeks, is_count=config.counts)
    if found is None or found.n_weeks < config.min_weeks or day not in series:
        n = 0 if found is None else found.n_weeks
        text = f"{subject}: {n} of {config.min_weeks} weeks before {day} are known"
        return Finding(check, subject, "unknown", text)
    value = series[day]
    score = found.score(value)
    status, limit = above(abs(score), config.scores)
    change = abs(value - found.middle) / abs(found.middle) if found.middle else math.inf
    if change < config.min_change:
        status = "ok"
    share = f", {value / found.middle - 1:+.0%}" if found.middle else ""
    message = (
        f"{subject} was {value:,.6g} on {day}; on {found.n_weeks} such weekdays before "
        f"{found.middle:,.6g} (median{share}, {score:+.1f} robust standard deviations)"
    )
    return Finding(check, subject, status, message, round(score, 6), limit)
