"""Quantities of metrics as Columns: what an event adds, and what a session is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from sparkperso.config.metrics import Metric, Quantity
from sparkperso.metrics.filters import fits

MOST = 1e15
"""Numbers above are no amounts, and their squares would swallow all others: they count nothing."""


@dataclass(frozen=True)
class Term:
    """A quantity within a window after the exposure; several metrics may share one."""

    quantity: Quantity
    start_days: float = 0.0
    end_days: float | None = None
    is_before: bool = False
    """Whether it is of the time before the exposure: the covariate."""


def terms_of(metric: Metric) -> tuple[Term, Term | None, Term | None, Term | None]:
    """Returns a metric's terms: value, denominator, and both of the time before.

    None where there is no denominator, and for what no covariate is wanted of.
    """
    own = Quantity(of=metric.of, value=metric.value, less=metric.less)
    value = Term(own, metric.start_days, metric.end_days)
    below = before_below = None
    if metric.denominator is not None:
        below = Term(metric.denominator, metric.start_days, metric.end_days)
        before_below = Term(metric.denominator, is_before=True)
    if not metric.covariate or metric.kind == "quantile":
        return value, below, None, None
    return value, below, Term(own, is_before=True), before_below


def distinct_terms(metrics: Iterable[Metric]) -> dict[Term, str]:
    """Returns each term of the metrics once, with the name of its column."""
    terms = dict.fromkeys(
        term for metric in metrics for term in terms_of(metric) if term is not None
    )
    return {term: f"t{place}" for place, term in enumerate(terms)}


def amount(quantity: Quantity) -> Column:
    """Returns what an event of silver/events adds to a quantity; null where it adds nothing.

    Of a quantity of sessions: 1 for each event that counts.
    """
    size = _size(quantity.value)
    added = F.when(fits(quantity.of), size)
    if quantity.less is None:
        return added
    # Of two filters that both fit, an event adds and takes off: nothing is left of it.
    taken = F.when(fits(quantity.less), size)
    both = F.coalesce(added, F.lit(0.0)) - F.coalesce(taken, F.lit(0.0))
    return F.when(added.isNotNull() | taken.isNotNull(), both)


def _size(value: str) -> Column:
    if value == "sum_value":
        return _finite(F.col("value"))
    if value.startswith("metadata."):
        return _finite(F.col("metadata")[value.removeprefix("metadata.")].try_cast("double"))
    return F.lit(1.0)


def _finite(number: Column) -> Column:
    return F.when(F.abs(number) <= MOST, number)
