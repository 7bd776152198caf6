"""The attributes that rules ask for: one row per user, from features, declarations and events."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.rules.attributes import trait_of
from sparkperso.segments.rules.behaviour import until

DEVICES = ("mobile", "desktop", "tablet")
BIRTH_YEAR, COUNTRY = "birth_year", "country"


def attributes(
    features: DataFrame,
    events: DataFrame,
    declared: DataFrame | None,
    wanted: Collection[str],
    as_of: datetime,
) -> DataFrame:
    """Returns (user_id, a column per wanted attribute, named as it is) of the users in `features`.

    `features` are rows of gold/user_features, `declared` of silver/users. What was declared
    outweighs what identify events said, and that what events showed.
    """
    traits = {name for name in map(trait_of, wanted) if name}
    needs_year, needs_country = {"age", BIRTH_YEAR} & set(wanted), COUNTRY in wanted
    traits |= ({BIRTH_YEAR} if needs_year else set()) | ({COUNTRY} if needs_country else set())
    users = features
    if declared is not None and (needs_year or needs_country):
        facts = declared.select(
            "user_id", *(F.col(n).alias(f"_{n}") for n in (BIRTH_YEAR, COUNTRY))
        )
        users = users.join(facts, on="user_id", how="left")
    if traits:
        users = users.join(_traits(events, traits, as_of), on="user_id", how="left")
    if needs_country:
        users = users.join(_last_country(events, as_of), on="user_id", how="left")
    has_declared = declared is not None
    columns = [_value(name, as_of, has_declared).alias(name) for name in sorted(wanted)]
    return users.select("user_id", *columns)


def _value(name: str, as_of: datetime, has_declared: bool) -> Column:
    """An attribute of a row with features, `_traits`, and the declared facts as `_<name>`."""
    trait = trait_of(name)
    if trait:
        return F.col("_traits").getItem(trait)
    if name in (BIRTH_YEAR, "age"):
        said = F.col("_traits").getItem(BIRTH_YEAR).try_cast("int")
        year = F.coalesce(F.col("_birth_year"), said) if has_declared else said
        return year if name == BIRTH_YEAR else F.lit(as_of.year) - year
    if name == COUNTRY:
        shown = F.coalesce(F.col("_traits").getItem(COUNTRY), F.col("_last_country"))
        return F.coalesce(F.col("_country"), shown) if has_declared else shown
    if name == "device_type":
        return _main_device()
    return F.col(name)


def _main_device() -> Column:
    """The device of the largest share of events; of equals, the first of DEVICES."""
    shares = [F.col(f"share_{device}") for device in DEVICES]
    largest = F.greatest(*shares)
    found = F.lit(None).cast("string")
    for device, share in reversed(list(zip(DEVICES, shares, strict=True))):
        found = F.when((share == largest) & (largest > 0), F.lit(device)).otherwise(found)
    return found


def _traits(events: DataFrame, wanted: Collection[str], as_of: datetime) -> DataFrame:
    """(user_id, _traits): of each trait the value of the last identify event that has one."""
    said = until(events.where("event_type = 'identify'"), as_of)
    pairs = said.select("user_id", "timestamp", "event_id", F.explode("metadata").alias("k", "v"))
    latest = (
        pairs.where(F.col("k").isin(*sorted(wanted)))
        .groupBy("user_id", "k")
        .agg(F.max_by("v", F.struct("timestamp", "event_id")).alias("v"))
    )
    entries = F.sort_array(F.collect_list(F.struct("k", "v")))
    return latest.groupBy("user_id").agg(F.map_from_entries(entries).alias("_traits"))


def _last_country(events: DataFrame, as_of: datetime) -> DataFrame:
    """(user_id, _last_country): where the last event that says so came from."""
    country = F.col("context.country")
    seen = until(events, as_of).where(country.isNotNull())
    each = seen.groupBy("user_id", country.alias("country")).agg(F.max("timestamp").alias("at"))
    last = F.max_by("country", F.struct("at", "country"))
    return each.groupBy("user_id").agg(last.alias("_last_country"))
