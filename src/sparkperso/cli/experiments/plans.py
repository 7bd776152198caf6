"""What an experiment needs, of each goal, by the past of the lake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sparkperso.config import Settings
from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.metrics import Metric, load_metrics
from sparkperso.experiments.statistics.power import (
    Design,
    Expectation,
    Plan,
    detectable_effect,
    expected_duration,
    plan,
)
from sparkperso.experiments.traffic import Past, expectation, read_past
from sparkperso.platform.lake_reader import LakeReader

WEEKS = (1, 2, 4)
TOO_FEW = "too_few_units"
WHY = {
    TOO_FEW: "too few units were seen in the past",
    "zero_baseline": "it was 0: a lift of nothing is nothing",
    "no_variance": "it was the same for every unit",
    "effect_too_small": "no shop has so many units",
    "no_new_units": "no new units come",
}


@dataclass(frozen=True)
class Asked:
    """What a plan is asked for."""

    days: int
    end: datetime | None
    share: float
    """Part of the units that the experiment's condition lets in."""
    power: float
    level: float
    is_sequential: bool


@dataclass(frozen=True)
class GoalPlan:
    """One goal of one experiment."""

    experiment: str
    metric: str
    unit: str
    past_days: int
    past_units: int
    value: float | None
    deviation: float | None
    """Of one unit; of a ratio, of its linear form."""
    mde: float
    units: dict[str, int] | None
    """Variant → units that are needed; None where `status` says why."""
    total: int | None
    days: int | None
    is_extrapolated: bool
    detectable: dict[int, float]
    """Weeks → least lift that would be found by then, as a share of the value."""
    status: str

    def record(self) -> dict[str, Any]:
        """Returns it as JSON's values."""
        return asdict(self)

    def text(self) -> str:
        """Returns it as lines."""
        lines = [f"{self.experiment}, goal {self.metric}"]
        if self.value is None or self.deviation is None:
            return f"{lines[0]}\n  no plan: {WHY.get(self.status, self.status)}"
        lines.append(
            f"  {self.value:.4g} per {self.unit} (± {self.deviation:.4g}) of {self.past_units:,} "
            f"in {self.past_days} days"
        )
        if self.units is None or self.total is None:
            lines.append(f"  no plan: {WHY.get(self.status, self.status)}")
        else:
            each = ", ".join(f"{name} {n:,}" for name, n in self.units.items())
            lines.append(f"  a lift of {self.mde:.2%} shows with {self.total:,} units: {each}")
            beyond = ", which is beyond the past that was looked at" if self.is_extrapolated else ""
            why = WHY.get(self.status, self.status)
            lines.append(
                f"  no end: {why}" if self.days is None else f"  after {self.days} days{beyond}"
            )
        if self.detectable:
            found = ", ".join(f"{n} w: {lift:.2%}" for n, lift in self.detectable.items())
            lines.append(f"  least lift that shows after {found}")
        return "\n".join(lines)


def plans_of(
    experiments: Sequence[Experiment], settings: Settings, asked: Asked, conf_dir: Path | None
) -> Iterator[GoalPlan]:
    """Yields the plans of all goals; raises UsageError for a lake without events of the unit."""
    reader = LakeReader(settings.lake)
    pasts: dict[str, Past] = {}
    for one in experiments:
        if one.unit not in pasts:
            pasts[one.unit] = read_past(reader, one.unit, asked.days, asked.end)
        for metric in load_metrics(conf_dir, one.goals).values():
            yield goal_plan(
                one, metric, pasts[one.unit], expectation(reader, metric, pasts[one.unit]), asked
            )


def goal_plan(
    one: Experiment, metric: Metric, past: Past, expected: Expectation | None, asked: Asked
) -> GoalPlan:
    """Returns the plan of one goal, by what the metric was."""
    low, high = one.layer.range if one.layer else (0.0, 1.0)
    coverage = one.coverage * (high - low) * asked.share
    known = (one.key, metric.name, one.unit, asked.days, past.n_units)
    if expected is None:
        return GoalPlan(*known, None, None, one.mde, None, None, None, False, {}, TOO_FEW)
    weights = dict(zip(one.arms, one.weights, strict=True))
    # A rate cannot go above 1: of those that are close, the lift down is planned.
    mde = -one.mde if metric.is_share and expected.value * (1 + one.mde) > 1 else one.mde
    needed: Plan = plan(
        expected,
        weights,
        one.control,
        mde=mde,
        n_goals=len(one.goals),
        significance_level=asked.level,
        power=asked.power,
        is_sequential=asked.is_sequential,
    )
    days, extrapolated, status = None, False, needed.status
    if needed.total is not None:
        duration = expected_duration(needed.total, past.cumulative_units, coverage=coverage)
        days, extrapolated, status = duration.days, duration.is_extrapolated, duration.status
    return GoalPlan(
        *known,
        expected.value,
        expected.variance**0.5,
        mde,
        needed.units,
        needed.total,
        days,
        extrapolated,
        _detectable(one, expected, past, coverage, asked),
        status,
    )


def _detectable(
    one: Experiment, expected: Expectation, past: Past, coverage: float, asked: Asked
) -> dict[int, float]:
    """Weeks → least lift that the units of so many weeks would show."""
    weights = dict(zip(one.arms, one.weights, strict=True))
    least = min(weight for name, weight in weights.items() if name != one.control)
    n_comparisons = (len(weights) - 1) * len(one.goals)
    design = Design(
        asked.level,
        asked.power,
        n_comparisons,
        least / weights[one.control],
        asked.is_sequential,
    )
    found = {}
    for weeks in WEEKS:
        if weeks * 7 > len(past.cumulative_units) or not expected.value:
            continue
        n_units = past.cumulative_units[weeks * 7 - 1] * coverage * weights[one.control]
        effect = detectable_effect(expected, design, int(n_units))
        if effect is not None:
            found[weeks] = effect / abs(expected.value)
    return found
