"""What is measured for which experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from sparkperso.config.metrics import Metric, Quantity
from sparkperso.metrics.quantities import Term, distinct_terms

Caps = Mapping[tuple[str, str], float]
"""(experiment, metric) → most that a unit has, where a quantile says so."""


@dataclass(frozen=True)
class MetricPlan:
    """The metrics of each experiment, and the columns that they are computed from.

    The same quantity of several metrics is one column of events, and the same quantity in the same
    window one of units.
    """

    metrics: Mapping[str, Sequence[Metric]]
    """Key of an experiment → its metrics."""
    as_of: datetime
    """Up to when events count."""
    daily: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Key of an experiment → names of the metrics that are measured day by day, too."""
    unit_kinds: Sequence[str] = ("user",)
    """Kinds of units of the experiments, each once: for each of them events are joined once."""
    whole: MetricPlan | None = None
    """The plan that this is a part of: its columns are computed for all."""

    @cached_property
    def terms(self) -> dict[Term, str]:
        """Returns term → name of its column."""
        if self.whole is not None:
            return self.whole.terms
        return distinct_terms(metric for _, metric in self.pairs())

    @cached_property
    def quantities(self) -> dict[Quantity, str]:
        """Returns quantity → name of its column."""
        distinct = dict.fromkeys(term.quantity for term in self.terms)
        return {quantity: f"q{place}" for place, quantity in enumerate(distinct)}

    def pairs(self) -> list[tuple[str, Metric]]:
        """Returns each metric with its experiment."""
        return [(key, metric) for key, each in self.metrics.items() for metric in each]

    def only(self, holds: Callable[[str, Metric], bool]) -> MetricPlan:
        """Returns the plan of some of the metrics, on the same columns."""
        kept = {
            key: [metric for metric in each if holds(key, metric)]
            for key, each in self.metrics.items()
        }
        return replace(self, metrics=kept, whole=self.whole or self)
