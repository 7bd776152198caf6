"""Names and codes of countries, as a table to join."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.core.spellings import country_codes


def standardise_country(events: DataFrame, aliases: Mapping[str, str]) -> DataFrame:
    """Replaces the column `country`, a name or code, by the ISO 3166 alpha-2 code or null."""
    codes = country_table(events.sparkSession, aliases)
    joined = events.withColumn("_name", F.upper(F.trim("country"))).drop("country")
    return joined.join(F.broadcast(codes), on="_name", how="left").drop("_name")


def country_table(spark: SparkSession, aliases: Mapping[str, str]) -> DataFrame:
    """Returns one row per known name: `_name`, `country`."""
    rows = sorted(country_codes(aliases).items())
    return spark.createDataFrame(rows, "_name string, country string")
