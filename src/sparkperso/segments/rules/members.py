"""Who is in which segment of rules: one plan from events to members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.rules.attributes import attributes_of
from sparkperso.rules.conditions import Condition
from sparkperso.rules.traverse import order_of
from sparkperso.segments.rules.attributes import attributes
from sparkperso.segments.rules.behaviour import behaviour, micros
from sparkperso.segments.rules.compile import Names, attribute_column, compile_rules
from sparkperso.segments.rules.measures import all_measures
from sparkperso.segments.rules.sequences import all_sequences, followed
from sparkperso.users.persons import Persons

KEYS = "keys"


@dataclass(frozen=True)
class People:
    """Those whom rules judge: everybody in `features`, as of one time."""

    features: DataFrame
    """Rows of gold/user_features, one per user."""
    persons: Persons
    """silver/events, and what is declared."""
    as_of: datetime

    @property
    def events(self) -> DataFrame:
        """Returns silver/events."""
        return self.persons.events


def fulfilled(people: People, rules: Mapping[str, Condition]) -> DataFrame:
    """Returns (user_id, keys), one row per user: the keys of the rules that hold, in their order.

    1. Attributes of each user: features, declared traits, country and age.
    2. Numbers of their events, for all rules in one pass.
    3. Sequences of their events, with a sort for each field that sequences share.
    4. Each rule is one boolean Column over these.
    """
    names = Names(all_measures(rules.values()), all_sequences(rules.values()), micros(people.as_of))
    facts = known_attributes(people, rules)
    if names.measures:
        numbers = behaviour(people.events, names.measures, people.as_of)
        facts = facts.join(numbers, on="user_id", how="left")
    if names.sequences:
        sequences = followed(people.events, names.sequences, people.as_of)
        facts = facts.join(sequences, on="user_id", how="left")
    return held_by(facts, rules, names)


def known_attributes(people: People, rules: Mapping[str, Condition]) -> DataFrame:
    """Returns (user_id, a column per attribute that the rules ask for), one row per user."""
    names = sorted({name for condition in rules.values() for name in attributes_of(condition)})
    known = attributes(people.features, people.persons, names, people.as_of)
    # In backticks: the name of a trait has a dot.
    return known.select("user_id", *(F.col(f"`{n}`").alias(attribute_column(n)) for n in names))


def held_by(facts: DataFrame, rules: Mapping[str, Condition], names: Names) -> DataFrame:
    """Returns (user_id, keys) of rows of attributes, measures and sequences, one row per user."""
    holds = compile_rules({key: rules[key] for key in order_of(rules)}, names)
    keys = F.array(*[F.when(holds[key], F.lit(key)) for key in rules])
    return facts.select("user_id", F.array_compact(keys).alias(KEYS))
