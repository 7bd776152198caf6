"""The attributes that rules ask for: one row per user, from features, declarations and events."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.errors import JobError
from sparkperso.core.spellings import DEVICES
from sparkperso.rules.attributes import AGE, ATTRIBUTES, trait_of
from sparkperso.users.facts import BIRTH_YEAR, COUNTRY
from sparkperso.users.persons import Persons, age_at

TRAITS = "_traits"


def attributes(
    features: DataFrame, persons: Persons, names: Collection[str], as_of: datetime
) -> DataFrame:
    """Returns (user_id, a column per attribute of `names`), one row per user in `features`.

    `features` are rows of gold/user_features; what is known of persons beside them is that of
    `sparkperso.users.persons`. Null where an attribute is not known; the age is in whole years.
    Raises JobError for a feature of conf/features that is not built yet.
    """
    users = features
    unknown = sorted(set(names) - set(features.columns) - ATTRIBUTES.keys())
    unknown = [name for name in unknown if not trait_of(name)]
    if unknown:
        raise JobError(
            f"gold/user_features should have the feature {unknown[0]}",
            "It was built before the feature was configured",
            "Run 'sparkperso build-features' first",
        )
    traits = {name for name in map(trait_of, names) if name}
    if traits:
        declared = persons.traits(traits, as_of).withColumnRenamed("traits", TRAITS)
        users = users.join(declared, on="user_id", how="left")
    # A fact is only looked up when an attribute needs it: each costs a pass over the events.
    needs = {BIRTH_YEAR: {AGE, BIRTH_YEAR}, COUNTRY: {COUNTRY}}
    facts = [fact for fact, needed_by in needs.items() if needed_by & set(names)]
    if facts:
        users = users.join(persons.facts(as_of, facts), on="user_id", how="left")
    columns = [_value(name, as_of).alias(name) for name in sorted(names)]
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
    device_type = F.lit(None).cast("string")
    # Backwards, so that the first of equal devices is asked first.
    for device, share in reversed(list(zip(DEVICES, shares, strict=True))):
        is_main = (share == largest) & (largest > 0)
        device_type = F.when(is_main, F.lit(device)).otherwise(device_type)
    return device_type
