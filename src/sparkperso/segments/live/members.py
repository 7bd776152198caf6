"""Who is in which segment of rules by the counters of hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pyspark.sql import DataFrame

from sparkperso.rules.conditions import Condition
from sparkperso.segments.live.counters import Counted
from sparkperso.segments.live.windows import numbers, told_sequences
from sparkperso.segments.rules.compile import Names
from sparkperso.segments.rules.members import held_by


def held_now(
    attributes: DataFrame,
    hours: DataFrame,
    rules: Mapping[str, Condition],
    counted: Counted,
    as_of: datetime,
) -> DataFrame:
    """Returns (user_id, keys) as `fulfilled` does, of the users in `attributes`.

    `attributes` is what `known_attributes` gives, `hours` what `hourly` gives; none of it is
    later than `as_of`.
    """
    facts = attributes
    if counted.measures:
        facts = facts.join(numbers(hours, counted, as_of), on="user_id", how="left")
    if counted.sequences:
        facts = facts.join(told_sequences(hours, counted, as_of), on="user_id", how="left")
    return held_by(facts, rules, Names(counted.measures, counted.sequences, as_of))
