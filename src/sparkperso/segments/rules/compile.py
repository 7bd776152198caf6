"""A condition as a Column over a row of attributes (`a_<name>`), measures and sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from sparkperso.rules import conditions as c
from sparkperso.rules.attributes import ATTRIBUTES, TEXT, trait_of
from sparkperso.segments.rules.behaviour import DAY
from sparkperso.segments.rules.measures import LAST, Measure, measures_of

COMPARE: Mapping[str, Callable[[Column, Any], Column]] = {
    "at_least": lambda value, bound: value >= bound,
    "at_most": lambda value, bound: value <= bound,
    "above": lambda value, bound: value > bound,
    "below": lambda value, bound: value < bound,
    "between": lambda value, bounds: value.between(*bounds),
}


@dataclass(frozen=True)
class Names:
    """The columns that conditions are compiled against."""

    measures: Mapping[Measure, str]
    sequences: Mapping[str, c.Sequence]
    now: Column
    """The time that days are counted back from, microseconds since 1970."""


def compile_rules(rules: Mapping[str, c.Condition], names: Names) -> dict[str, Column]:
    """Returns a boolean Column for each rule, never null; a rule may refer to those before it.

    `rules` come in the order of `rules.traverse.order_of`.
    """
    done: dict[str, Column] = {}
    for key, condition in rules.items():
        done[key] = compile_condition(condition, names, done)
    return done


def compile_condition(condition: c.Condition, names: Names, others: Mapping[str, Column]) -> Column:
    """Returns whether the condition holds for a row; never null.

    What is not known fulfils no comparison, so `not` of it holds. `others` are the Columns of rules
    that it may refer to.
    """
    if isinstance(condition, c.All | c.Either):
        parts = condition.all if isinstance(condition, c.All) else condition.any
        join = Column.__and__ if isinstance(condition, c.All) else Column.__or__
        return reduce(join, [compile_condition(part, names, others) for part in parts])
    if isinstance(condition, c.Not):
        return ~compile_condition(condition.not_, names, others)
    if isinstance(condition, c.InSegment):
        return others[condition.segment]
    return F.coalesce(_leaf(condition, names), F.lit(False))


def attribute_column(name: str) -> str:
    """Returns the column that holds an attribute; no measure has such a name."""
    return f"a_{name}"


def _leaf(condition: Any, names: Names) -> Column:
    if isinstance(condition, c.Attribute):
        return _attribute(condition)
    if isinstance(condition, c.SequenceCondition):
        sequence = condition.sequence
        return F.col(next(name for name, known in names.sequences.items() if known == sequence))
    columns = [F.col(names.measures[measure]) for measure in measures_of(condition)]
    if measures_of(condition)[0].kind == LAST:
        # Null without such events: nobody has waited any number of days for nothing.
        return _compared((names.now - columns[0]) / F.lit(DAY), condition)
    counts = [F.coalesce(column, F.lit(0)) for column in columns]
    return _compared(reduce(Column.__add__, counts), condition)


def _attribute(condition: c.Attribute) -> Column:
    value = F.col(f"`{attribute_column(condition.attribute)}`")
    if condition.exists is not None:
        return value.isNotNull() if condition.exists else value.isNull()
    if condition.one_of is not None or condition.none_of is not None:
        is_in = [value.isin(*condition.one_of)] if condition.one_of is not None else []
        if condition.none_of is not None:
            is_in.append(value.isNull() | ~value.isin(*condition.none_of))
        return reduce(Column.__and__, is_in)
    if trait_of(condition.attribute) or ATTRIBUTES[condition.attribute] == TEXT:
        # A text that is no number compares with nothing; a plain cast would end the job (ANSI).
        value = value.try_cast("double")
    return _compared(value, condition)


def _compared(value: Column, bounds: c.Comparison) -> Column:
    return reduce(Column.__and__, [COMPARE[name](value, b) for name, b in bounds.bounds.items()])
