"""DataFrames of users as models take them: one row per user, the history as lists.

`arrays.histories.read_histories` makes the matrices of these rows. Both the folds and the final
fit come from here, so that a model is trained on what it later scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import ITEM_ID, STRENGTH, USER_ID
from sparkperso.core.errors import JobError
from sparkperso.platform.literals import empty_array, instant
from sparkperso.recommend.arrays.catalogue import Catalogue, Texts
from sparkperso.recommend.data.interactions import MICROS_PER_DAY
from sparkperso.users.facts import BIRTH_YEAR, COUNTRY, DECADE
from sparkperso.users.persons import Persons

OWN = (BIRTH_YEAR, COUNTRY, DECADE)


def profile_frame(
    interactions: DataFrame, item_index: DataFrame, attributes: Attributes, as_of: datetime
) -> DataFrame:
    """Returns user_id, items, strengths, ages, attributes: one row per user of either frame.

    items are positions (gold/item_index) in growing order, strengths and ages are aligned with
    them; ages are days from the pair's last_at to `as_of`. Users of whom only attributes are known
    have empty lists. Interactions with items that the index lacks are left out.
    """
    age = (F.unix_micros(instant(as_of)) - F.unix_micros("last_at")) / MICROS_PER_DAY
    pair = F.struct(
        "item_index", F.col(STRENGTH).cast("float").alias(STRENGTH), age.cast("float").alias("age")
    )
    pairs = interactions.join(item_index, ITEM_ID).groupBy(USER_ID)
    # Sorted by position, the first field: collect_list has no order of its own.
    histories = pairs.agg(F.sort_array(F.collect_list(pair)).alias("pairs"))
    both = histories.join(attributes_at(attributes, as_of), USER_ID, how="full")
    known = F.coalesce("pairs", F.array())
    return both.select(
        USER_ID,
        F.transform(known, lambda p: p["item_index"]).alias("items"),
        F.transform(known, lambda p: p[STRENGTH]).alias("strengths"),
        F.transform(known, lambda p: p["age"]).alias("ages"),
        F.coalesce("attributes", empty_array("string")).alias("attributes"),
    )


def latest_items(profiles: DataFrame, n: int) -> DataFrame:
    """Returns the profiles with the latest n items of each user, as `Histories.latest`."""
    zipped = F.arrays_zip("ages", "items", "strengths")
    latest = F.slice(F.array_sort(zipped), 1, n)
    pairs = F.array_sort(
        F.transform(latest, lambda p: F.struct(p["items"], p["strengths"], p["ages"]))
    )
    is_long = F.size("items") > n
    short = {
        "items": F.transform(pairs, lambda p: p["items"]),
        "strengths": F.transform(pairs, lambda p: p["strengths"]),
        "ages": F.transform(pairs, lambda p: p["ages"]),
    }
    return profiles.withColumns(
        {name: F.when(is_long, own).otherwise(F.col(name)) for name, own in short.items()}
    )


def capped_text(n_users: int, most: int) -> str:
    """Returns what to say of users with longer histories than models learn from."""
    return (
        f"{n_users:,} {'user has' if n_users == 1 else 'users have'} more than {most:,} items: "
        "models learn from the latest of them (recommend.max_user_items)"
    )


@dataclass(frozen=True)
class UserAttributes:
    """What is known of users as of any time: country, birth year, decade, declared attributes.

    For notebooks: `UserAttributes(Persons(events))`.
    """

    persons: Persons

    def at(self, as_of: datetime) -> DataFrame:
        """Returns user_id, attributes (`name=value`) as of a time; nothing later is known.

        One row per user of whom anything is known. Country and year of birth are those of
        `sparkperso.users.persons`. The year is there twice: `birth_year=1994` is for age limits,
        `born=1990`, the decade, for models.
        """
        return attributes_of(self.at_times([as_of]), 0)

    def at_times(self, times: Sequence[datetime]) -> DataFrame:
        """Returns user_id and attributes_<n> as of each time, from one look at the events.

        One row per user of whom anything is known at the last; a list may be empty.
        """
        known = self.persons.facts_at(times)
        others = empty_array("string")
        if self.persons.declared is not None:
            known = known.join(_others(self.persons.declared), USER_ID, how="left")
            others = F.coalesce("others", others)
        tokens = [
            F.array_sort(F.array_union(_own(n), others)).alias(f"attributes_{n}")
            for n in range(len(times))
        ]
        return known.select(USER_ID, *tokens)


Attributes = DataFrame | UserAttributes
"""user_id and attributes (array of `name=value`): at any time the same, or as of a time."""


def attributes_at(attributes: Attributes, as_of: datetime) -> DataFrame:
    """Returns user_id, attributes as of a time: one row per user of whom any is known."""
    return attributes.at(as_of) if isinstance(attributes, UserAttributes) else attributes


def attributes_at_times(attributes: Attributes, times: Sequence[datetime]) -> DataFrame:
    """Returns user_id and attributes_<n>, what is known as of each time; a list may be empty.

    One row per user. A DataFrame of attributes is the same at any time.
    """
    if isinstance(attributes, UserAttributes):
        return attributes.at_times(times)
    same = [F.col("attributes").alias(f"attributes_{n}") for n in range(len(times))]
    return attributes.select(USER_ID, *same)


def attributes_of(at_times: DataFrame, place: int) -> DataFrame:
    """Returns user_id, attributes as of one of the times of `attributes_at_times`."""
    known = at_times.select(USER_ID, F.col(f"attributes_{place}").alias("attributes"))
    return known.where(F.size("attributes") > 0)


def _own(place: int) -> Column:
    """Returns country and year of birth as `name=value`."""
    country, year = F.col(f"{COUNTRY}_{place}"), F.col(f"{BIRTH_YEAR}_{place}")
    decade = (F.floor(year / 10) * 10).cast("string")
    return F.array_compact(
        F.array(
            F.concat(F.lit(f"{COUNTRY}="), country),
            F.concat(F.lit(f"{BIRTH_YEAR}="), year.cast("string")),
            F.concat(F.lit(f"{DECADE}="), decade),
        )
    )


def _others(declared: DataFrame) -> DataFrame:
    """(user_id, others): what is declared beside country and year of birth, as `name=value`."""
    entries = F.filter(F.map_entries("attributes"), lambda e: ~e["key"].isin(*OWN))
    tokens = F.transform(entries, lambda e: F.concat(e["key"], F.lit("="), e["value"]))
    return declared.select(USER_ID, F.array_compact(tokens).alias("others"))


def n_history() -> Column:
    """Returns the number of preferred items of a profile, as `n_history`."""
    return F.size(F.filter("strengths", lambda s: s > 0)).alias("n_history")


def load_catalogue(item_index: DataFrame, items: DataFrame, max_items: int) -> Catalogue:
    """Returns the items by position, with what silver/items knows of them.

    `item_index` has item_id and item_index (0, 1, … without gaps), `items` the columns of
    silver/items. Everything of it comes to the driver: raises JobError when there are more than
    `max_items` items.
    """
    texts = F.concat_ws(" ", "title", F.array_join("tags", " "))
    known = items.select(ITEM_ID, texts.alias("text"), "category", "price", "attributes")
    # One more than allowed is enough to know that there are too many.
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
