"""One row per person: what is declared, agreed to, and which segments they are in."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.platform.literals import instant
from sparkperso.users.persons import Persons

ATTRIBUTES = "map<string,string>"


def profile_people(
    users: DataFrame,
    persons: Persons,
    states: DataFrame,
    members: DataFrame,
    as_of: datetime,
) -> DataFrame:
    """Returns the rows of gold/profiles as of `as_of`: one for each user_id of `users`.

    Country and year of birth are those of `persons`. `states` has subject_id, consents and
    withdrawn_at, `members` the columns of gold/segments. Users that any of them lacks are no less
    listed.
    """
    # Left joins from here on: each other frame has one row per user, or none.
    names = users.select("user_id").where(F.col("user_id").isNotNull()).distinct()
    consents = states.withColumnRenamed("subject_id", "user_id")
    known = names.join(persons.facts(as_of), on="user_id", how="left")
    joined = _with_declared(known, persons.declared).join(consents, on="user_id", how="left")
    joined = joined.join(_segments(members), on="user_id", how="left")
    return joined.select(
        "user_id",
        *("birth_year", "country"),
        _or_empty("attributes", ATTRIBUTES),
        _or_empty("consents", "map<string,boolean>"),
        F.col("withdrawn_at").isNotNull().alias("is_withdrawn"),
        "withdrawn_at",
        _or_empty("segments", "map<string,array<string>>"),
        instant(as_of).alias("as_of"),
    )


def _with_declared(names: DataFrame, declared: DataFrame | None) -> DataFrame:
    if declared is None:
        return names.withColumn("attributes", F.lit(None).cast(ATTRIBUTES))
    return names.join(declared.select("user_id", "attributes"), on="user_id", how="left")


def _segments(members: DataFrame) -> DataFrame:
    """One row per user: segmentation → segment_ids, sorted."""
    each = members.groupBy("user_id", "segmentation").agg(
        F.sort_array(F.collect_list("segment_id")).alias("ids")
    )
    pairs = F.sort_array(F.collect_list(F.struct("segmentation", "ids")))
    return each.groupBy("user_id").agg(F.map_from_entries(pairs).alias("segments"))


def _or_empty(name: str, kind: str) -> Column:
    return F.coalesce(name, F.from_json(F.lit("{}"), kind)).alias(name)
