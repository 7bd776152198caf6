"""The attributes that rules ask for: one row per user, from features, declarations and events."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.spellings import DEVICES
from sparkperso.rules.attributes import AGE, trait_of
from sparkperso.users.facts import BIRTH_YEAR, COUNTRY
from sparkperso.users.persons import Persons, age_at

TRAITS = "_traits"


def attributes(
    features: DataFrame, persons: Persons, wanted: Collection[str], as_of: datetime
) -> DataFrame:
    """Returns (user_id, a column per wanted attribute, named as it is) of the users in `features`.

    `features` are rows of gold/user_features; what is known of persons beside them is that of
    `sparkperso.users.persons`.
    """
    users = features
    traits = {name for name in map(trait_of, wanted) if name}
    if traits:
        said = persons.traits(traits, as_of).withColumnRenamed("traits", TRAITS)
        users = users.join(said, on="user_id", how="left")
    needs = {BIRTH_YEAR: {AGE, BIRTH_YEAR}, COUNTRY: {COUNTRY}}
    facts = [name for name, asking in needs.items() if asking & set(wanted)]
    if facts:
        users = users.join(persons.facts(as_of, facts), on="user_id", how="left")
    columns = [_value(name, as_of).alias(name) for name in sorted(wanted)]
    return users.select("user_id", *columns)


def _value(name: str, as_of: datetime) -> Column:
    """An attribute of a row with features, traits and facts."""
    trait = trait_of(name)
    if trait:
        return F.col(TRAITS).getItem(trait)
    if name == AGE:
        return age_at(F.col(BIRTH_YEAR), as_of)
    return _main_device() if name == "device_type" else F.col(name)


def _main_device() -> Column:
    """The device of the largest share of events; of equals, the first of DEVICES."""
    shares = [F.col(f"share_{device}") for device in DEVICES]
    largest = F.greatest(*shares)
    found = F.lit(None).cast("string")
    for device, share in reversed(list(zip(DEVICES, shares, strict=True))):
        found = F.when((share == largest) & (largest > 0), F.lit(device)).otherwise(found)
    return found
