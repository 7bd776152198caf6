"""The verdict on an experiment, from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.config.metrics import Metric
from sparkperso.experiments.results.checks import notes
from sparkperso.experiments.results.measured import Measured, MeasuredMetric
from sparkperso.experiments.results.methods import arms_of, decisive_method, has_cuped
from sparkperso.experiments.results.rows import ResultRow
from sparkperso.experiments.statistics.checks.sample_ratio import sample_ratio
from sparkperso.experiments.statistics.power import Expectation, plan
from sparkperso.experiments.statistics.verdict import Conduct, MetricResult, decide


@dataclass(frozen=True)
class Judgement:
    """What follows from an experiment: a row of gold/experiment_verdicts."""

    verdict: str
    reason: str
    """A code, such as `goal_better` or `clock_skew`."""
    variant: str | None
    why: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    n_planned: int | None
    srm_p_value: float | None
    is_final: bool
    """Whether it was judged as one that is over, by fixed tests; else by always-valid ones."""

    def __str__(self) -> str:
        variant = f" {self.variant}" if self.variant else ""
        return f"{self.verdict.replace('_', ' ')}{variant}: {self.why}"


@dataclass(frozen=True)
class Findings:
    """What was found of an experiment beside its metrics."""

    faults: Sequence[str] = ()
    """Codes of `statistics.verdict.FAULTS`: what breaks it."""
    notes: Sequence[str] = ()
    """Sentences of what breaks nothing."""


def judge(
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    measured: Measured,
    rows: Sequence[ResultRow],
    *,
    findings: Findings,
    config: ExperimentsConfig,
    as_of: datetime,
) -> Judgement:
    """Returns the verdict as of a time.

    1. Once the experiment is over it is judged by fixed tests, before by always-valid ones, so
       that looking every day is no harm.
    2. p values corrected over goals and variants decide; of guardrails the plain ones.
    3. Without an end it is over when it has the units that its plan asks for, which are those of
       always-valid tests.
    """
    n_planned = planned_units(experiment, metrics, measured, config)
    total = sum(measured.n_units.values())
    phase = experiment.phase(as_of.replace(tzinfo=timezone.utc))
    ends_at = experiment.end and experiment.end.replace(tzinfo=None)
    if phase == "stopped":
        ends_at = min(ends_at, as_of) if ends_at else as_of
    # One without an end is looked at again after it has its units: fixed tests never hold there.
    is_final = ends_at is not None and as_of >= ends_at
    units = {name: measured.n_units.get(name, 0) for name in experiment.arms}
    # Of all first exposures: those of several variants are lost by an error, not by chance.
    first = {name: measured.n_first.get(name, 0) for name in experiment.arms}
    weights = {name: experiment.share(name) for name in experiment.arms}
    ratio = sample_ratio(first, weights)
    n_all = total + measured.n_several
    warnings = [
        *findings.notes,
        *notes(experiment, metrics, measured, config.significance_level),
    ]
    conduct = Conduct(
        units=units,
        baseline=experiment.control,
        as_of=as_of,
        started_at=experiment.start and experiment.start.replace(tzinfo=None),
        ends_at=ends_at,
        sample_ratio=ratio,
        multiple_share=measured.n_several / n_all if n_all else 0.0,
        is_sequential=not is_final,
        planned_units=n_planned if ends_at is None else None,
        faults=findings.faults,
    )
    results = {
        role: [
            _result(row, metrics[row.metric])
            for row in rows
            if row.role == role
            and row.segmentation is None
            and row.as_of == as_of
            and row.method == decisive_method(metrics[row.metric], is_final=is_final)
        ]
        for role in ("goal", "guardrail")
    }
    verdict = decide(
        results["goal"],
        results["guardrail"],
        conduct,
        significance_level=config.significance_level,
    )
    return Judgement(
        verdict.decision,
        verdict.reason,
        verdict.variant,
        verdict.why,
        verdict.sentences,
        tuple(warnings),
        n_planned,
        ratio.p_value,
        is_final,
    )


def planned_units(
    experiment: Experiment,
    metrics: Mapping[str, Metric],
    measured: Measured,
    config: ExperimentsConfig,
) -> int | None:
    """Returns how many units find `mde` in the first goal, all variants together.

    From the baseline's own value and variance, which tell nothing of the effect. None without a
    goal, for a quantile, and where the baseline has nothing to go by.
    """
    if not experiment.goals:
        return None
    metric = metrics[experiment.goals[0]]
    found = measured.metrics.get(metric.name, MeasuredMetric())
    baseline = found.whole(experiment.control)
    if metric.kind == "quantile":
        return None
    expected = Expectation.from_moments(baseline, arms_of(metric, with_cuped=has_cuped(metric)))
    is_possible = expected is not None and not (
        metric.is_share and expected.value * (1 + experiment.mde) > 1
    )
    if expected is None or not is_possible or expected.value <= 0:
        return None
    return plan(
        expected,
        {name: experiment.share(name) for name in experiment.arms},
        experiment.control,
        mde=experiment.mde,
        n_goals=len(experiment.goals),
        significance_level=config.significance_level,
        power=config.power,
        is_sequential=experiment.end is None,
    ).total


def _result(row: ResultRow, metric: Metric) -> MetricResult:
    return MetricResult(
        row.metric,
        row.variant,
        row.estimate,
        row.p_adjusted,
        is_higher_better=metric.better == "up",
        is_share=metric.is_share,
    )
