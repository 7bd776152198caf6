"""What to do with an experiment, and why, in plain English: ship, stop, keep running or broken.

A pure function of what was found. The order of the questions is that of `decide`: first whether the
experiment may be believed, then whether it harms, then whether it helps, last whether it is over.
What could not be computed decides nothing; what decides nothing at the end is a stop, or broken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.checks.sample_ratio import SampleRatio
from sparkperso.experiments.statistics.estimate import FEW_EVENTS, NO_VARIANCE, STATUSES, Estimate

Decision = Literal["ship", "stop", "keep_running", "broken"]
MOST_MULTIPLE: Final = 0.01
"""Share of units that saw several variants above which a comparison cannot be believed."""
HARM: Final = 0.001
"""p of a guardrail below which harm stops an experiment before its planned end."""
LEAST_DAYS: Final = 7
"""Whole days before anything is shipped: a week has days that are unlike each other."""
FAULTS: Final = {
    "changed_after_start": "it was changed after its start, so its figures mix two experiments",
    "overlapping_layers": "its units were in another experiment at the same time, whose effect "
    "cannot be told from its own",
    "clock_skew": "clocks of its events are off, so that before and after exposure cannot be told",
    "outcomes_before_exposure": "most clicks were recorded before what was clicked on was shown",
}
"""What breaks an experiment apart from its figures, and how that is said."""


@dataclass(frozen=True)
class MetricResult:
    """One metric of one treated variant against the baseline.

    `p_adjusted`: the corrected p value; without one the estimate's own decides. `is_share`: values
    are written as percentages.
    """

    metric: str
    variant: str
    estimate: Estimate
    p_adjusted: float | None = None
    is_higher_better: bool = True
    is_share: bool = False

    @property
    def p_value(self) -> float | None:
        """The p value that decides."""
        return self.estimate.p_value if self.p_adjusted is None else self.p_adjusted

    def direction(self, level: float) -> int:
        """Returns 1 where it is better, −1 where it is worse, 0 where that cannot be known.

        A handful of events decides nothing: there the normal curve is a poor guide.
        """
        effect, p = self.estimate.effect, self.p_value
        is_known = self.estimate.is_usable and self.estimate.status != FEW_EVENTS
        if not is_known or effect is None or p is None or not p < level:
            return 0
        sign = (effect > 0) - (effect < 0)
        return sign if self.is_higher_better else -sign


@dataclass(frozen=True)
class Conduct:
    """How an experiment went, apart from its metrics.

    `units`: exposed units of every variant that it has, 0 too. `multiple_share`: the share of units
    that saw several variants (they are left out of `units`). `planned_units`: of all variants;
    None without a plan. `is_sequential`: the results are always-valid, so that they may be read at
    any time. `faults`: names of `FAULTS`. `notes`: sentences of checks that break nothing. Times
    are compared as they are given, all with or without a zone.
    """

    units: Mapping[str, int]
    baseline: str
    as_of: datetime
    started_at: datetime | None
    ends_at: datetime | None = None
    sample_ratio: SampleRatio | None = None
    multiple_share: float = 0.0
    is_sequential: bool = False
    planned_units: int | None = None
    faults: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def total(self) -> int:
        """Units of all variants."""
        return sum(self.units.values())

    @property
    def is_over(self) -> bool:
        """Whether its end has come."""
        return self.ends_at is not None and self.as_of >= self.ends_at

    @property
    def is_complete(self) -> bool:
        """Whether it is over or has the units that were planned."""
        return self.is_over or (self.planned_units is not None and self.total >= self.planned_units)

    def ran(self, days: int) -> bool:
        """Whether it has run for so many whole days."""
        return self.started_at is not None and self.as_of >= self.started_at + timedelta(days=days)


@dataclass(frozen=True)
class Verdict:
    """What to do: `decision`, the variant to ship, `reason` (a code) and `why` (a sentence).

    `sentences`: one per metric and variant, goals first, then the notes.
    """

    decision: Decision
    reason: str
    why: str
    variant: str | None = None
    sentences: tuple[str, ...] = field(default=())


def decide(
    goals: Sequence[MetricResult],
    guardrails: Sequence[MetricResult],
    conduct: Conduct,
    *,
    significance_level: float = 0.05,
) -> Verdict:
    """Returns the verdict on an experiment from its figures; the first goal counts above all.

    Raises UsageError for a fault that is none of `FAULTS` or a result of an unknown variant.
    """
    _require_known(goals, guardrails, conduct)
    evidence = _Evidence(goals, guardrails, conduct, significance_level)
    verdict = (
        _not_begun(conduct)
        or _not_to_be_believed(conduct)
        or evidence.harm()
        or evidence.gain()
        or evidence.end()
    )
    sentences = [
        *(sentence(result, conduct.baseline, significance_level) for result in goals),
        *(sentence(result, conduct.baseline, significance_level) for result in guardrails),
        *conduct.notes,
    ]
    return Verdict(verdict.decision, verdict.reason, verdict.why, verdict.variant, tuple(sentences))


def _not_begun(conduct: Conduct) -> Verdict | None:
    if conduct.started_at is None or conduct.as_of < conduct.started_at:
        return Verdict("keep_running", "not_started", "It has not started.")
    if not conduct.total and not conduct.faults and not conduct.ran(1) and not conduct.is_over:
        return Verdict("keep_running", "no_units_yet", "It has just started: nobody saw it yet.")
    return None


def _not_to_be_believed(conduct: Conduct) -> Verdict | None:
    if conduct.faults:
        reasons = "; ".join(FAULTS[fault] for fault in conduct.faults)
        return Verdict("broken", conduct.faults[0], f"It cannot be believed: {reasons}.")
    if not conduct.total:
        return Verdict("broken", "nobody_exposed", "Nobody was exposed to it, though it runs.")
    if not conduct.multiple_share <= MOST_MULTIPLE:
        return Verdict(
            "broken",
            "multiple_exposures",
            f"{_percent(conduct.multiple_share)} of its units saw several variants; "
            f"at most {_percent(MOST_MULTIPLE)} can be left out.",
        )
    return _units_amiss(conduct)


def _units_amiss(conduct: Conduct) -> Verdict | None:
    ratio = conduct.sample_ratio
    counts = ", ".join(f"{variant} {n:,}" for variant, n in conduct.units.items())
    if ratio is not None and ratio.is_mismatch:
        chance = "" if ratio.p_value is None else f" (p = {_p(ratio.p_value)})"
        return Verdict(
            "broken",
            "sample_ratio_mismatch",
            f"Units do not fit the weights{chance}: {counts}. Some are lost or counted twice.",
        )
    missing = [variant for variant, n in conduct.units.items() if not n]
    if missing and conduct.is_complete:
        return Verdict("broken", "missing_variant", f"Nobody saw {', '.join(missing)}: {counts}.")
    return None


@dataclass(frozen=True)
class _Evidence:
    """What goals and guardrails say, by treated variant."""

    goals: Sequence[MetricResult]
    guardrails: Sequence[MetricResult]
    conduct: Conduct
    level: float

    @property
    def variants(self) -> list[str]:
        """Treated variants in their order."""
        return [variant for variant in self.conduct.units if variant != self.conduct.baseline]

    @property
    def may_decide(self) -> bool:
        """Whether a p value may be read now: always-valid ones at any time, others at the end."""
        return self.conduct.is_sequential or self.conduct.is_complete

    def harmed(self, variant: str, level: float) -> list[str]:
        """Guardrails that a variant makes worse."""
        return [
            result.metric
            for result in self.guardrails
            if result.variant == variant and result.direction(level) < 0
        ]

    def harm(self) -> Verdict | None:
        """A stop where every variant harms a guardrail, or makes a goal worse and none better."""
        level = self.level if self.may_decide else min(HARM, self.level)
        harms = {variant: self.harmed(variant, level) for variant in self.variants}
        if harms and all(harms.values()):
            harmed = "; ".join(f"{variant}: {', '.join(names)}" for variant, names in harms.items())
            return Verdict("stop", "guardrail_harmed", f"It harms what it must not ({harmed}).")
        worse = {variant: self.moved(variant, -1, level) for variant in self.variants}
        unwanted = [
            v for v in self.variants if harms[v] or (worse[v] and not self.moved(v, 1, level))
        ]
        if unwanted and len(unwanted) == len(self.variants):
            metrics = "; ".join(
                f"{variant}: {', '.join(harms[variant] or worse[variant])}" for variant in unwanted
            )
            return Verdict("stop", "goal_worse", f"The baseline is better ({metrics}).")
        return None

    def moved(self, variant: str, direction: int, level: float) -> list[str]:
        """Goals that a variant moves in a direction: 1 better, −1 worse."""
        return [
            result.metric
            for result in self.goals
            if result.variant == variant and result.direction(level) == direction
        ]

    def gain(self) -> Verdict | None:
        """A ship where a variant makes a goal better and nothing worse, after a whole week."""
        if not self.may_decide:
            return None
        better = [variant for variant in self.variants if self.is_better(variant)]
        if not better:
            return None
        if not self.conduct.is_over and not self.conduct.ran(LEAST_DAYS):
            why = f"{better[0]} looks better, but it has not run for a week, whose days differ."
            return Verdict("keep_running", "under_a_week", why)
        open_ = {variant: self.unmeasured(variant) for variant in better}
        safe = [variant for variant in better if not open_[variant]]
        if safe:
            best = min(safe, key=self.rank)
            moved = ", ".join(self.moved(best, 1, self.level))
            return Verdict(
                "ship", "goal_better", f"{best} is better in {moved}, and harms none.", best
            )
        names = ", ".join(open_[better[0]])
        why = f"{better[0]} is better, but whether it harms {names} cannot be told."
        decision: Decision = "stop" if self.conduct.is_over else "keep_running"
        return Verdict(decision, "guardrail_unmeasured", why)

    def is_better(self, variant: str) -> bool:
        """Whether it makes a goal better, no goal worse and harms no guardrail."""
        worse = self.moved(variant, -1, self.level) or self.harmed(variant, self.level)
        return bool(self.moved(variant, 1, self.level)) and not worse

    def unmeasured(self, variant: str) -> list[str]:
        """Guardrails of which nothing is known; that nothing happened in either group is known."""
        return [
            result.metric
            for result in self.guardrails
            if result.variant == variant and not _is_known(result.estimate)
        ]

    def rank(self, variant: str) -> tuple[float, ...]:
        """Orders variants by their effects on the goals in their order, best first."""
        found = {result.metric: result for result in self.goals if result.variant == variant}
        names = list(dict.fromkeys(result.metric for result in self.goals))
        effects = []
        for name in names:
            result = found.get(name)
            effect = 0.0 if result is None else result.estimate.effect or 0.0
            effects.append(-effect if result is None or result.is_higher_better else effect)
        return (*effects, float(self.variants.index(variant)))

    def end(self) -> Verdict:
        """What is left: over without proof, or not over."""
        conduct = self.conduct
        measured = any(result.estimate.is_usable for result in self.goals)
        if not conduct.is_complete:
            if conduct.planned_units is not None:
                rest = f"{conduct.total:,} of {conduct.planned_units:,} planned units so far"
            else:
                rest = f"{conduct.total:,} units so far"
            return Verdict("keep_running", "undecided", f"Nothing is decided yet: {rest}.")
        if not self.goals:
            return Verdict("stop", "no_goals", "It is over, and has no goal to be judged by.")
        if not measured:
            statuses = {result.estimate.status for result in self.goals}
            meanings = "; ".join(STATUSES.get(status, status) for status in sorted(statuses))
            return Verdict("broken", "no_goal_measured", f"No goal could be compared: {meanings}.")
        why = "It is over, and no variant is shown to be better without harm: keep the baseline."
        return Verdict("stop", "no_gain", why)


def _is_known(estimate: Estimate) -> bool:
    is_still = estimate.status == NO_VARIANCE and estimate.effect == 0
    return estimate.is_usable or is_still


def sentence(result: MetricResult, baseline: str, significance_level: float) -> str:
    """Returns one sentence on a metric of a variant, such as a reader of a report wants it.

    >>> nothing = Estimate(0, 9, None, 0.1, *(None,) * 8, status="too_few_units")
    >>> sentence(MetricResult("conversion", "red", nothing, is_share=True), "grey", 0.05)
    'conversion: red cannot be compared with grey: a group has fewer units than the method needs.'
    """
    estimate = result.estimate
    if not estimate.is_usable:
        meaning = STATUSES.get(estimate.status, estimate.status).split(":")[0]
        return f"{result.metric}: {result.variant} cannot be compared with {baseline}: {meaning}."
    number = _percent if result.is_share else _number
    values = [number(value) for value in (estimate.value, estimate.value_baseline)]
    cover = f"{100 * (1 - significance_level):g} % interval"
    if estimate.lift_low is not None and estimate.lift_high is not None:
        change = f"{_signed(estimate.lift)} ({cover} {_signed(estimate.lift_low)} to "
        change += f"{_signed(estimate.lift_high)})"
    else:
        change = f"a difference of {number(estimate.effect)} ({cover} "
        change += f"{number(estimate.effect_low)} to {number(estimate.effect_high)})"
    direction = result.direction(significance_level)
    even = "no difference that chance does not explain"
    if estimate.status == FEW_EVENTS:
        even = "too few events to decide by"
    outcome = {1: "better", -1: "worse", 0: even}[direction]
    p = result.p_value
    return (
        f"{result.metric}: {result.variant} {values[0]}, {baseline} {values[1]}, "
        f"{change}, p {'unknown' if p is None else f'= {_p(p)}'}: {outcome}."
    )


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.3g} %".replace("-", "−")


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:+.1f} %".replace("-", "−")


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 6)}f}".replace("-", "−")


def _p(value: float) -> str:
    return "0.0001 or less" if value <= 0.0001 else f"{value:.2g}"


def _require_known(
    goals: Sequence[MetricResult], guardrails: Sequence[MetricResult], conduct: Conduct
) -> None:
    unknown = [fault for fault in conduct.faults if fault not in FAULTS]
    if unknown:
        raise UsageError(
            f"A fault is one of {', '.join(FAULTS)}", f"Found {unknown[0]}", "Use its name"
        )
    treated = set(conduct.units) - {conduct.baseline}
    strange = [r.variant for r in (*goals, *guardrails) if r.variant not in treated]
    if strange or conduct.baseline not in conduct.units:
        raise UsageError(
            f"Results are of the treated variants {', '.join(sorted(treated)) or '(none)'}",
            f"Found {strange[0] if strange else f'no baseline {conduct.baseline}'}",
            "Give the units of every variant, with 0 where there are none",
        )
