"""DataFrames of users as models want them: one row per user, the history as lists."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, STRENGTH, TIMESTAMP, USER_ID
from sparkperso.errors import JobError
from sparkperso.recommend.attributes import BIRTH_YEAR
from sparkperso.recommend.catalogue import Catalogue, Texts
from sparkperso.recommend.interactions import MICROS_PER_DAY, time_of

HISTORY = (
    f"{USER_ID} string, items array<int>, strengths array<float>, ages array<float>, "
    "attributes array<string>"
)


def profile_frame(
    interactions: DataFrame, item_index: DataFrame, attributes: DataFrame, as_of: datetime
) -> DataFrame:
    """Returns user_id, items, strengths, ages, attributes: one row per user of either frame.

    items are positions (gold/item_index) in growing order; ages are days from the pair's last_at to
    `as_of`. `attributes` has user_id and attributes (array of `name=value`).
    """
    age = (F.unix_micros(time_of(as_of)) - F.unix_micros("last_at")) / MICROS_PER_DAY
    pair = F.struct(
        "item_index", F.col(STRENGTH).cast("float").alias(STRENGTH), age.cast("float").alias("age")
    )
    pairs = interactions.join(item_index, ITEM_ID).groupBy(USER_ID)
    histories = pairs.agg(F.sort_array(F.collect_list(pair)).alias("pairs"))
    both = histories.join(attributes, USER_ID, how="full")
    known = F.coalesce("pairs", F.array())
    return both.select(
        USER_ID,
        F.transform(known, lambda p: p["item_index"]).alias("items"),
        F.transform(known, lambda p: p[STRENGTH]).alias("strengths"),
        F.transform(known, lambda p: p["age"]).alias("ages"),
        F.coalesce("attributes", F.array().cast("array<string>")).alias("attributes"),
    )


def user_attributes(events: DataFrame, users: DataFrame | None = None) -> DataFrame:
    """Returns user_id, attributes: `country=GB` by the first event that tells, and declared ones.

    The first, so that nothing later than a cut is known of a user who was there before it. `users`
    has the columns of silver/users.
    """
    country = F.col("context.country")
    told = events.where(F.col(USER_ID).isNotNull() & country.isNotNull())
    first = told.groupBy(USER_ID).agg(F.min_by(country, F.struct(TIMESTAMP, "event_id")).alias("c"))
    tokens = first.select(USER_ID, F.array(F.concat(F.lit("country="), "c")).alias("attributes"))
    if users is None:
        return tokens
    both = tokens.withColumnRenamed("attributes", "seen").join(declared(users), USER_ID, how="full")
    nothing = F.array().cast("array<string>")
    joined = F.array_union(F.coalesce("attributes", nothing), F.coalesce("seen", nothing))
    return both.select(USER_ID, F.array_sort(joined).alias("attributes"))


def declared(users: DataFrame) -> DataFrame:
    """Returns user_id, attributes of declared profiles (columns of silver/users).

    The year of birth is told twice: `birth_year=1994` is for age limits, `born=1990`, the decade,
    for models.
    """
    year = F.concat(F.lit(f"{BIRTH_YEAR}="), F.col("birth_year").cast("string"))
    decade = F.concat(F.lit("born="), (F.floor(F.col("birth_year") / 10) * 10).cast("string"))
    country = F.concat(F.lit("country="), "country")
    others = F.transform(
        F.map_entries("attributes"), lambda e: F.concat(e["key"], F.lit("="), e["value"])
    )
    own = F.array_compact(F.array(country, year, decade))
    return users.select(USER_ID, F.concat(own, F.coalesce(others, F.array())).alias("attributes"))


def n_history() -> Column:
    """Returns the number of preferred items of a profile, as `n_history`."""
    return F.size(F.filter("strengths", lambda s: s > 0)).alias("n_history")


def load_catalogue(item_index: DataFrame, items: DataFrame, max_items: int) -> Catalogue:
    """Returns the items by position, with what silver/items knows of them.

    Raises JobError when there are more than `max_items`.
    """
    texts = F.concat_ws(" ", "title", F.array_join("tags", " "))
    known = items.select(ITEM_ID, texts.alias("text"), "category", "price", "attributes")
    rows = item_index.join(known, ITEM_ID, how="left").limit(max_items + 1)
    table = rows.toArrow().sort_by("item_index")
    if table.num_rows > max_items:
        raise JobError(
            f"At most {max_items:,} items can be held in one process",
            "There are more",
            "Raise recommend.max_driver_items, and driver and executor memory with it",
        )
    return Catalogue(
        table.column(ITEM_ID).to_numpy().astype(object),
        _texts(table.column("text")),
        _texts(table.column("category")),
        pd.to_numeric(pd.Series(table.column("price").to_pylist()), errors="coerce")
        .to_numpy()
        .astype(np.float64),
        tuple(dict(pairs or []) for pairs in table.column("attributes").to_pylist()),
    )


def _texts(column: pa.ChunkedArray) -> Texts:
    return np.array([text or "" for text in column.to_pylist()], dtype=object)
