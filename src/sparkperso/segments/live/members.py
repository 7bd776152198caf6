"""Who is in which segment of rules by the counters of hours."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.rules.conditions import Condition
from sparkperso.segments.live.counters import Counters
from sparkperso.segments.live.windows import NOW, followed_sequences, numbers
from sparkperso.segments.rules.compile import Names
from sparkperso.segments.rules.members import held_by


def matching_rules(
    attributes: DataFrame, hours: DataFrame, rules: Mapping[str, Condition], counted: Counters
) -> DataFrame:
    """Returns (user_id, keys) as `fulfilled` does, one row per user in `attributes`.

    `attributes` is what `known_attributes` gives, `hours` what `hourly` gives, both with the column
    `now`; none of it is later than that.
    """
    facts = attributes
    if counted.measures:
        facts = facts.join(numbers(hours, counted), on="user_id", how="left")
    if counted.sequences:
        facts = facts.join(followed_sequences(hours, counted), on="user_id", how="left")
    return held_by(facts, rules, Names(counted.measures, counted.sequences, F.col(NOW)))
