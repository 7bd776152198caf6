"""The rows of gold/experiment_results of one experiment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, Literal

import numpy as np

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.config.experiments.variants import BETWEEN_LEVELS
from sparkperso.config.metrics import Metric
from sparkperso.experiments.results.measured import EVERYBODY, Measured, MeasuredMetric
from sparkperso.experiments.results.methods import Method, compare, methods_of
from sparkperso.experiments.statistics.estimate import Estimate
from sparkperso.experiments.statistics.factorial import factorial
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.multiplicity import benjamini_hochberg, holm
from sparkperso.experiments.statistics.quantiles import QuantileRange, quantiles
from sparkperso.experiments.statistics.rank_test import ValueCounts, mann_whitney
from sparkperso.experiments.statistics.resampling import BucketSums, bootstrap
from sparkperso.experiments.statistics.stratified import stratified

Role = Literal["goal", "guardrail", "other"]
OF_SEGMENTS: tuple[Method, ...] = ("plain", "cuped")
OF_DAYS: tuple[Method, ...] = ("plain", "sequential")
MEANS = ("mean", "proportion", "retention")
"""Kinds of metrics whose value is a mean over units."""
CORRECTIONS = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}
NOBODY = BucketSums(0, np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class ResultRow:
    """One variant against the baseline, in one metric, by one method, in one segment."""

    metric: str
    role: Role
    method: Method
    segmentation: str | None
    segment: str | None
    variant: str
    estimate: Estimate
    as_of: datetime
    p_adjusted: float | None = None
    baseline: str | None = None
    """What it is compared with, where that is not the experiment's baseline."""

    def values(self, experiment: Experiment, srm_p_value: float | None) -> dict[str, Any]:
        """Returns the row of the table, by column."""
        own = asdict(self)
        del own["estimate"]
        values = {**own, **asdict(self.estimate), "srm_p_value": srm_p_value}
        rounded = {n: _rounded(v) if isinstance(v, float) else v for n, v in values.items()}
        baseline = self.baseline or experiment.control
        return {**rounded, "experiment": experiment.key, "baseline": baseline}


def result_rows(
    experiment: Experiment,
    metrics: Sequence[Metric],
    measured: Measured,
    config: ExperimentsConfig,
    as_of: datetime,
) -> list[ResultRow]:
    """Returns all comparisons: everybody's by every method, those of segments, those of days.

    1. Each variant but the baseline is compared with it, in each metric, by each of its methods; of
       a factorial design also each level of a factor with its first one, and pairs of factors.
    2. p values of one method are corrected over goals and variants (`experiments.correction`).
    3. Each segment is compared alike, corrected over the segments and variants of a goal.
    4. Goals and guardrails are told as they stood at the end of each day before.
    """
    rows = []
    for metric in metrics:
        found = measured.metrics.get(metric.name, MeasuredMetric())
        compared = _Compared(experiment, metric, found, config, as_of)
        rows += [*compared.everybody(), *compared.factors(), *compared.segments()]
        if compared.role != "other":
            rows += compared.days()
    return _corrected(rows, config, as_of)


def _rounded(number: float) -> float:
    """A number to nine significant digits: the order of partitions shows in those behind."""
    return float(f"{number:.9g}")


def role_of(experiment: Experiment, metric: str) -> Role:
    """Returns what a metric is to an experiment."""
    if metric in experiment.goals:
        return "goal"
    return "guardrail" if metric in experiment.guardrails else "other"


@dataclass(frozen=True)
class _Compared:
    """The comparisons of one metric."""

    experiment: Experiment
    metric: Metric
    found: MeasuredMetric
    config: ExperimentsConfig
    as_of: datetime

    @property
    def role(self) -> Role:
        return role_of(self.experiment, self.metric.name)

    @property
    def variants(self) -> list[str]:
        return [name for name in self.experiment.arms if name != self.experiment.control]

    def everybody(self) -> Iterator[ResultRow]:
        wholes = {name: self.found.whole(name) for name in self.experiment.arms}
        for variant in self.variants:
            pair = wholes[variant], wholes[self.experiment.control]
            for method in methods_of(self.metric):
                yield self._row(method, variant, self._compare(method, *pair))
            for method, estimate in self._by_distribution(variant):
                yield self._row(method, variant, estimate)
            if (strata := self.config.strata) and self.metric.kind in MEANS:
                yield self._row("stratified", variant, self._stratified(variant, strata))

    def factors(self) -> Iterator[ResultRow]:
        """Main effects and interactions of a factorial design, of metrics that are means."""
        levels = {name: list(each) for name, each in self.experiment.factors.items()}
        if not levels or self.metric.kind not in MEANS:
            return
        cells = {
            tuple(arm.split(BETWEEN_LEVELS)): self.found.whole(arm) for arm in self.experiment.arms
        }
        level = self.config.significance_level
        for contrast in factorial(levels, cells, significance_level=level):
            pairs = list(zip(contrast.factors, contrast.levels, strict=True))
            first = [(name, levels[name][0]) for name in contrast.factors]
            method: Method = "main_effect" if len(pairs) == 1 else "interaction"
            row = self._row(method, _told(pairs), contrast.estimate)
            yield replace(row, baseline=_told(first))

    def segments(self) -> Iterator[ResultRow]:
        methods = [method for method in methods_of(self.metric) if method in OF_SEGMENTS]
        for segmentation, segment in self.found.segments() if methods else ():
            control = self.found.in_segment(self.experiment.control, segmentation, segment)
            for variant in self.variants:
                treated = self.found.in_segment(variant, segmentation, segment)
                for method in methods:
                    row = self._row(method, variant, self._compare(method, treated, control))
                    yield replace(row, segmentation=segmentation, segment=segment)

    def days(self) -> Iterator[ResultRow]:
        control = self.found.days.get(self.experiment.control, {})
        for variant in self.variants:
            treated = self.found.days.get(variant, {})
            last = [Moments.empty(), Moments.empty()]
            for day in sorted({*control, *treated}):
                # On a day without anything of a variant it stands as it stood.
                last = [
                    days.get(day, before)
                    for days, before in zip((treated, control), last, strict=True)
                ]
                end = datetime.combine(day, time()) + timedelta(days=1)
                if end < self.as_of:
                    for method in OF_DAYS:
                        row = self._row(method, variant, self._compare(method, *last))
                        yield replace(row, as_of=end)

    def _row(self, method: Method, variant: str, estimate: Estimate) -> ResultRow:
        return ResultRow(
            self.metric.name, self.role, method, EVERYBODY, None, variant, estimate, self.as_of
        )

    def _compare(self, method: Method, treated: Moments, baseline: Moments) -> Estimate:
        return compare(
            method,
            self.metric,
            treated,
            baseline,
            significance_level=self.config.significance_level,
            tuned_for=self.config.tuned_for,
        )

    def _by_distribution(self, variant: str) -> Iterator[tuple[Method, Estimate]]:
        level, control = self.config.significance_level, self.experiment.control
        if self.metric.kind == "quantile":
            nothing = QuantileRange(0, None, None, None)
            treated, baseline = (self.found.quantiles.get(v, nothing) for v in (variant, control))
            yield "quantile", quantiles(treated, baseline, significance_level=level)
        if "mann_whitney" in self.metric.methods:
            counts = _side_by_side(*(self.found.counts.get(v, {}) for v in (variant, control)))
            yield "mann_whitney", mann_whitney(counts, significance_level=level)
        if "bootstrap" in self.metric.methods:
            sums = [self.found.buckets.get(v, NOBODY) for v in (variant, control)]
            estimate = bootstrap(
                *sums,
                significance_level=level,
                n_resamples=self.config.n_resamples,
                seed=self.config.seed,
            )
            yield "bootstrap", estimate

    def _stratified(self, variant: str, segmentation: str) -> Estimate:
        strata = {
            segment: (
                self.found.in_segment(variant, segmentation, segment),
                self.found.in_segment(self.experiment.control, segmentation, segment),
            )
            for of, segment in self.found.segments()
            if of == segmentation
        }
        return stratified(strata, significance_level=self.config.significance_level)


def _told(levels: Sequence[tuple[str, str]]) -> str:
    """Factors and their levels as one name."""
    return " × ".join(f"{factor}={level}" for factor, level in levels)


def _side_by_side(treated: Mapping[float, int], baseline: Mapping[float, int]) -> ValueCounts:
    values = sorted({*treated, *baseline})
    counts = [np.array([float(c.get(v, 0)) for v in values]) for c in (treated, baseline)]
    return ValueCounts(np.array(values), *counts)


def _corrected(
    rows: Sequence[ResultRow], config: ExperimentsConfig, as_of: datetime
) -> list[ResultRow]:
    """The rows with p values corrected for how many were looked at, of goals."""
    families: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.role == "goal" and row.as_of == as_of and row.method != "bayes":
            of_segments = (row.metric, row.segmentation) if row.segmentation else ()
            families[(row.method, *of_segments)].append(place)
    corrected = list(rows)
    correct = CORRECTIONS[config.correction]
    for places in families.values():
        adjusted = correct([rows[place].estimate.p_value for place in places])
        for place, p in zip(places, adjusted, strict=True):
            corrected[place] = replace(rows[place], p_adjusted=p)
    return corrected
