"""What speaks against believing an experiment, a sentence each: found in its own figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.metrics import Metric
from sparkperso.experiments.results.measured import Measured, MeasuredMetric
from sparkperso.experiments.results.methods import arms_of, has_cuped
from sparkperso.experiments.statistics.checks.balance import ALARM, carry_over, pre_period
from sparkperso.experiments.statistics.checks.heterogeneity import heterogeneity
from sparkperso.experiments.statistics.checks.trend import effect_trend

NOVELTY = 0.01
"""p of the trend of the effect over the days since the exposure that is told."""
HETEROGENEITY = 0.01
"""p of the segments' effects being equal that is told."""
MOST_AHEAD = 0.1
"""Share of events with a time after their receipt above which before and after cannot be told."""
MOST_EARLY = 0.5
"""Share of clicks before what was clicked on above which outcomes cannot be believed."""


def notes(
    experiment: Experiment, metrics: Mapping[str, Metric], measured: Measured, level: float
) -> Iterator[str]:
    """Yields what stands out in goals and guardrails: sentences that break nothing.

    Groups that were unlike before the exposure, among all units or those of an earlier experiment,
    an effect that fades or grows with the days since it, effects that differ among the segments of
    a segmentation.
    """
    for name in (*experiment.goals, *experiment.guardrails):
        metric, found = metrics[name], measured.metrics.get(name, MeasuredMetric())
        for variant in experiment.arms:
            if variant != experiment.control:
                yield from _imbalance(experiment, metric, found, variant, level)
                yield from _carried_over(experiment, metric, found, variant, level)
                yield from _trend(experiment, metric, found, variant, level)
                yield from _differences(experiment, metric, found, variant, level)


def _imbalance(
    experiment: Experiment, metric: Metric, found: MeasuredMetric, variant: str, level: float
) -> Iterator[str]:
    if not has_cuped(metric):
        return
    groups = found.whole(variant), found.whole(experiment.control)
    before = pre_period(*groups, significance_level=level)
    if before.p_value is not None and before.p_value < ALARM:
        yield (
            f"{metric.name}: units of {variant} and {experiment.control} were unlike before they "
            f"were exposed (p = {before.p_value:.2g}): assignment follows something else."
        )


def _carried_over(
    experiment: Experiment, metric: Metric, found: MeasuredMetric, variant: str, level: float
) -> Iterator[str]:
    if not has_cuped(metric):
        return
    for neighbour, groups in found.earlier_groups(variant, experiment.control).items():
        before = carry_over(groups, significance_level=level)
        if before.p_value is not None and before.p_value < ALARM:
            yield (
                f"{metric.name}: of the units that were in '{neighbour}' before, those of "
                f"{variant} and {experiment.control} were unlike before they were exposed "
                f"(p = {before.p_value:.2g}): what '{neighbour}' did may be carried over."
            )


def _trend(
    experiment: Experiment, metric: Metric, found: MeasuredMetric, variant: str, level: float
) -> Iterator[str]:
    treated, control = found.ages.get(variant, {}), found.ages.get(experiment.control, {})
    days = {age: (treated[age], control[age]) for age in sorted({*treated} & {*control})}
    trend = effect_trend(days, significance_level=level, arms=arms_of(metric))
    if trend.p_value is None or trend.first is None or trend.last is None:
        return
    if trend.p_value < NOVELTY:
        way = "fades" if abs(trend.last) < abs(trend.first) else "grows"
        yield (
            f"{metric.name}: the effect of {variant} {way} with the days since the exposure, from "
            f"{trend.first:.3g} to {trend.last:.3g} a day (p = {trend.p_value:.2g})."
        )


def _differences(
    experiment: Experiment, metric: Metric, found: MeasuredMetric, variant: str, level: float
) -> Iterator[str]:
    by_segmentation: dict[str, list[str]] = {}
    for segmentation, segment in found.segments():
        by_segmentation.setdefault(segmentation, []).append(segment)
    for segmentation, segments in by_segmentation.items():
        if metric.kind == "quantile" or not _is_exclusive(found, segmentation):
            continue
        groups = {
            segment: (
                found.in_segment(variant, segmentation, segment),
                found.in_segment(experiment.control, segmentation, segment),
            )
            for segment in segments
        }
        differ = heterogeneity(groups, significance_level=level, arms=arms_of(metric))
        if differ.p_value is None or not differ.p_value < HETEROGENEITY:
            continue
        moved = [
            s or "no segment" for s, p in differ.p_adjusted.items() if p is not None and p < level
        ]
        told = f"; apart from the others: {', '.join(moved)}" if moved else ""
        yield (
            f"{metric.name}: {variant} works differently in the segments of {segmentation} "
            f"(p = {differ.p_value:.2g}){told}."
        )


def _is_exclusive(found: MeasuredMetric, segmentation: str) -> bool:
    """Whether no unit is in two of its segments: the test of their effects asks for that."""
    return all(len(c.segments) < 2 for c in found.cells if c.segmentation == segmentation)


def clock_findings(
    exposures: tuple[int, int], outcomes: tuple[int, int], clicks: tuple[int, int, int]
) -> tuple[list[str], list[str]]:
    """Returns faults and sentences on times that cannot be right.

    `exposures` and `outcomes`: events whose time lies after their receipt, and all. `clicks`: those
    before what was clicked on was shown, all, and the units of those before.
    """
    faults, sentences = [], []
    for name, (n_ahead, n) in (("exposure events", exposures), ("events of its units", outcomes)):
        if n_ahead:
            sentences.append(
                f"{n_ahead:,} of {n:,} {name} have a time more than a minute after their receipt: "
                "the clocks that gave it run ahead."
            )
        if n_ahead > MOST_AHEAD * n:
            faults.append("clock_skew")
    n_early, n_clicks, n_units = clicks
    if n_early:
        sentences.append(
            f"{n_early:,} of {n_clicks:,} clicks, of {n_units:,} units, came before what was "
            "clicked on was shown: they count as before the exposure."
        )
    if n_early > MOST_EARLY * n_clicks:
        faults.append("outcomes_before_exposure")
    return list(dict.fromkeys(faults)), sentences


def problem_notes(experiment: Experiment, problems: Mapping[str, int]) -> Sequence[str]:
    """Returns the exposure events that count for nobody, a sentence each."""
    meanings = {
        "unknown_variant": f"name a variant that is none of {', '.join(experiment.arms)}",
        "without_unit": f"have no {experiment.unit} id",
        "out_of_time": "lie outside of its start and end",
    }
    return [
        f"{problems[kind]:,} exposure events {meaning}: they were left out."
        for kind, meaning in meanings.items()
        if problems[kind]
    ]
