"""One row per person: what is declared, agreed to, and which segments they are in."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

DECLARED = {"birth_year": "int", "country": "string", "attributes": "map<string,string>"}


def profile_people(
    users: DataFrame,
    declared: DataFrame | None,
    states: DataFrame,
    members: DataFrame,
    as_of: datetime,
) -> DataFrame:
    """Returns the rows of gold/profiles: one for each user_id of `users`.

    `declared` has the columns of silver/users, `states` subject_id, consents and withdrawn_at,
    `members` those of gold/segments. Users that any of them lacks are no less listed.
    """
    names = users.select("user_id").where(F.col("user_id").isNotNull()).distinct()
    consents = states.withColumnRenamed("subject_id", "user_id")
    joined = _with_declared(names, declared).join(consents, on="user_id", how="left")
    joined = joined.join(_segments(members), on="user_id", how="left")
    return joined.select(
        "user_id",
        *("birth_year", "country"),
        _or_empty("attributes", "map<string,string>"),
        _or_empty("consents", "map<string,boolean>"),
        F.col("withdrawn_at").isNotNull().alias("is_withdrawn"),
        "withdrawn_at",
        _or_empty("segments", "map<string,array<string>>"),
        F.lit(as_of).alias("as_of"),
    )


def _with_declared(names: DataFrame, declared: DataFrame | None) -> DataFrame:
    if declared is None:
        return names.withColumns({n: F.lit(None).cast(kind) for n, kind in DECLARED.items()})
    return names.join(declared.select("user_id", *DECLARED), on="user_id", how="left")


def _segments(members: DataFrame) -> DataFrame:
    """One row per user: segmentation → segment_ids, sorted."""
    each = members.groupBy("user_id", "segmentation").agg(
        F.sort_array(F.collect_list("segment_id")).alias("ids")
    )
    pairs = F.sort_array(F.collect_list(F.struct("segmentation", "ids")))
    return each.groupBy("user_id").agg(F.map_from_entries(pairs).alias("segments"))


def _or_empty(name: str, kind: str) -> Column:
    return F.coalesce(name, F.from_json(F.lit("{}"), kind)).alias(name)
