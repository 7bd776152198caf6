"""How far two distributions over the same bins lie apart: PSI and Jensen–Shannon."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sparkperso.config.monitoring.checks import DriftConfig
from sparkperso.monitoring.checks.finding import BAD, Finding, Status, above

LEAST = 1e-4
"""A share of nothing counts as this in PSI: its logarithm is to be finite."""


def shares(counts: Sequence[float]) -> list[float]:
    """Returns counts as shares of their sum; zeros where it is 0."""
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def psi(reference: Sequence[float], current: Sequence[float]) -> float:
    """Returns the population stability index of counts over the same bins: Σ (q − p) ln(q / p).

    The sum of both Kullback–Leibler divergences; 0 for equal shares. Raises ValueError for
    different numbers of bins.
    """
    pairs = zip(shares(reference), shares(current), strict=True)
    floored = ((max(p, LEAST), max(q, LEAST)) for p, q in pairs)
    return sum((q - p) * math.log(q / p) for p, q in floored)


def js_distance(reference: Sequence[float], current: Sequence[float]) -> float:
    """Returns the Jensen–Shannon distance of counts over the same bins, base 2: 0 to 1.

    The square root of half the divergences from the mean of both (Lin 1991; Endres and Schindelin
    2003). Raises ValueError for different numbers of bins.
    """
    total = 0.0
    for p, q in zip(shares(reference), shares(current), strict=True):
        middle = (p + q) / 2
        total += sum(x * math.log2(x / middle) for x in (p, q) if x > 0)
    return math.sqrt(max(total / 2, 0.0))


def psi_by_chance(n_bins: int, n: float, m: float, confidence: float) -> float:
    """Returns what PSI two samples of n and m from one distribution exceed in 1 − confidence.

    (1/n + 1/m) · χ² with B − 1 degrees of freedom (Yurdakul 2018).
    """
    # Here: it takes longer to load than the rest.
    from scipy.stats import chi2

    return float(chi2.ppf(confidence, max(n_bins - 1, 1))) * (1 / n + 1 / m)


def judge_drift(
    check: str,
    subject: str,
    reference: Sequence[float],
    current: Sequence[float],
    config: DriftConfig,
) -> Finding:
    """Returns whether counts over bins have drifted from those of the reference."""
    n, m = sum(reference), sum(current)
    if min(n, m) < config.min_users:
        text = f"{subject}: {min(n, m):,.0f} users, of {config.min_users:,} that it takes"
        return Finding(check, subject, "unknown", text)
    index, distance = psi(reference, current), js_distance(reference, current)
    chance = psi_by_chance(len(reference), n, m, config.confidence)
    by_psi, limit = above(index, config.psi)
    by_js, _ = above(distance, config.js)
    status: Status = max(by_psi, by_js, key=("ok", *BAD).index)
    if index <= chance:
        status = "ok"
    message = (
        f"{subject}: PSI {index:.3f} (by chance up to {chance:.3f}), Jensen–Shannon distance "
        f"{distance:.3f}, {m:,.0f} users against {n:,.0f} of the reference"
    )
    return Finding(check, subject, status, message, round(index, 6), limit)
