"""Shares of a bandit's variants: what they may follow, which were published, whose they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.metrics.metric import Metric

EVERYBODY: Final = ""
"""Whoever is in no segment that has shares of its own."""
Shares = Mapping[str, Mapping[str, float]]
"""Segment, or EVERYBODY → variant → share."""


def usable_shares(experiment: Experiment, shares: Shares | None = None) -> Shares:
    """Returns published shares that fit; of EVERYBODY the weights, where none do.

    Shares fit that are of the experiment's variants, and add up to 1: what was published before a
    variant was put in says nothing of it.
    """
    names = list(experiment.arms)
    fitting = {
        segment: {name: of[name] for name in names}
        for segment, of in (shares or {}).items()
        if of.keys() == set(names) and math.isclose(sum(of.values()), 1, abs_tol=1e-6)
    }
    if experiment.bandit is None or EVERYBODY not in fitting:
        return {EVERYBODY: dict(zip(names, experiment.weights, strict=True))}
    return fitting if experiment.bandit.by else {EVERYBODY: fitting[EVERYBODY]}


def segment_of(own: frozenset[str], shares: Mapping[str, object]) -> str:
    """Returns the segment whose shares somebody has who is in `own`: of several, the first by name.

    >>> segment_of(frozenset({"vip", "new"}), {"": {}, "new": {}, "vip": {}})
    'new'
    """
    if len(shares) == 1 or not own:
        return EVERYBODY
    found = [segment for segment in own if segment in shares]
    return min(found) if found else EVERYBODY


def metric_fault(metric: Metric) -> str | None:
    """Returns why shares cannot follow a metric; None where they can.

    A Beta distribution is of successes among trials: of something that happens or not, soon after a
    variant was shown.
    """
    quantities = [metric] if metric.denominator is None else [metric, metric.denominator]
    wrong = None
    if metric.kind not in ("proportion", "ratio"):
        wrong = f"its kind is {metric.kind}"
    elif any(each.is_of_sessions for each in quantities):
        wrong = f"it is made of {metric.value}, which are known once a session is over"
    elif metric.kind == "ratio" and any(e.value != "count" or e.less for e in quantities):
        wrong = "it is a ratio of amounts"
    elif metric.better == "down":
        wrong = "less of it is better"
    elif metric.complete_windows:
        wrong = "it waits until its window is over (complete_windows)"
    return wrong and (
        f"'{metric.name}' is nothing that shares can follow, {wrong}: take a proportion, such as "
        "conversion, or a ratio of two counts, such as click_through"
    )
