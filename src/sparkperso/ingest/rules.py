"""Validation rules: each a Column that is null for a fine record and struct(code, message) else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from sparkperso.config.ingest import RuleConfig
from sparkperso.config.tracking_plan import Bounds, TrackingPlan

REASON = "struct<code:string,message:string>"
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Rule:
    """A rule, and the name under which its parts are carried when it is evaluated early."""

    config: RuleConfig
    name: str = ""
    is_bound: bool = False

    def broken(self) -> Column:
        """Returns a condition that is true for a bad record, never null."""
        condition = F.col(self.name) if self.is_bound else F.expr(self.config.when)
        return F.coalesce(condition, F.lit(False))

    def reason(self) -> Column:
        """Returns struct(code, message) for a bad record, null for a fine one."""
        found = F.struct(F.lit(self.config.code).alias("code"), self._message().alias("message"))
        return F.when(self.broken(), found)

    def columns(self) -> list[Column]:
        """Returns the columns that carry the rule from where its names are known to `bound`."""
        columns = [F.expr(self.config.when).alias(self.name)]
        if self.config.shows:
            columns.append(self._value().alias(f"{self.name}_shows"))
        return columns

    def bound(self) -> Rule:
        """Returns the rule as it reads where `columns` were carried to."""
        return replace(self, is_bound=True)

    def _message(self) -> Column:
        """What is shown becomes text here, for the few bad records, not where it is carried."""
        if not self.config.shows:
            return F.lit(self.config.message)
        shown = F.left(self._value().cast("string"), F.lit(SHOWN_CHARACTERS))
        return F.concat(F.lit(f"{self.config.message}: "), F.coalesce(shown, F.lit("null")))

    def _value(self) -> Column:
        return F.col(f"{self.name}_shows") if self.is_bound else F.expr(str(self.config.shows))


def bind_rules(configs: Iterable[RuleConfig], prefix: str) -> list[Rule]:
    """Returns rules with names that start with `prefix`."""
    return [Rule(config, f"{prefix}_{number}") for number, config in enumerate(configs)]


def plan_rules(plan: TrackingPlan) -> list[Rule]:
    """Returns the rules that a tracking plan amounts to: known types, required fields, bounds."""
    types = plan.event_types
    rules = [_unknown_type(types)]
    required = {field for kind in types.values() for field in kind.required}
    for field in sorted(required):
        rules.append(_missing(field, [n for n, kind in types.items() if field in kind.required]))
    bounds = {(field, b) for kind in types.values() for field, b in kind.bounds.items()}
    for field, b in sorted(bounds, key=str):
        names = [name for name, kind in types.items() if kind.bounds.get(field) == b]
        rules += _outside(field, b, names)
    return rules


def reasons(rules: Sequence[Rule]) -> Column:
    """Returns the reasons of all broken rules, null for a fine record.

    A record that cannot be parsed breaks most rules; only the first, which says so, is kept.
    """
    broken = reduce(lambda a, b: a | b, [rule.broken() for rule in rules])
    found = F.array_compact(F.array(*(rule.reason() for rule in rules)))
    found = F.when(F.col("is_malformed"), F.slice(found, 1, 1)).otherwise(found)
    return F.when(broken, found)


def recoverable(rules: Sequence[Rule]) -> Column:
    """Returns whether another rule set or mapping could accept the record."""
    final = [rule.broken() for rule in rules if not rule.config.recoverable]
    return ~reduce(lambda a, b: a | b, final) if final else F.lit(True)


def _unknown_type(types: Iterable[str]) -> Rule:
    return Rule(
        RuleConfig(
            code="unknown_type",
            when=f"event_type NOT IN ({_texts(types)})",
            message="event_type is not in the tracking plan",
            shows="event_type",
        )
    )


def _missing(field: str, types: list[str]) -> Rule:
    return Rule(
        RuleConfig(
            code="missing",
            when=f"event_type IN ({_texts(types)}) AND {_reference(field)} IS NULL"
            + (" AND raw_value IS NULL" if field == "value" else ""),
            message=f"{field} is not given, which this type of event needs",
            shows="event_type",
        )
    )


def _outside(field: str, bounds: Bounds, types: list[str]) -> list[Rule]:
    reference, of_type = _reference(field), f"event_type IN ({_texts(types)})"
    if field == "value":
        number, rules = reference, []
    else:
        number = f"try_cast({reference} AS DOUBLE)"
        when = f"{of_type} AND {reference} IS NOT NULL AND {number} IS NULL"
        rules = [RuleConfig(code="wrong_type", when=when, message=f"{field} is not a number")]
    limits = [
        f"{number} {sign} {limit}"
        for sign, limit in (("<", bounds.min), (">", bounds.max))
        if limit is not None
    ]
    when = f"{of_type} AND ({' OR '.join(limits) or 'false'})"
    says = f"{field} is outside {bounds.min} to {bounds.max}"
    rules.append(RuleConfig(code="out_of_range", when=when, message=says, shows=reference))
    return [Rule(config) for config in rules]


def _reference(field: str) -> str:
    group, _, part = field.partition(".")
    return f"metadata['{part}']" if group == "metadata" else field


def _texts(values: Iterable[str]) -> str:
    return ", ".join("'" + value.replace("'", "\\'") + "'" for value in values)
