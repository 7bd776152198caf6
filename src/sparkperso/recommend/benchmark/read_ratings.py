"""The rows of a split as files have them → rows that count, and counts of the others.

1. Ids become text, ratings numbers, times timestamps, whatever type a file has them in.
2. A row that lacks one of them is dropped and counted by its reason.
3. A row with an earlier first_timestamp stands there twice, at both times.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.core.errors import JobError
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import EPOCH, instant
from sparkperso.platform.texts import plain_text
from sparkperso.platform.timestamps import timestamp_of

RATING = "rating"
FIRST, BEGAN = "first_timestamp", "began"
REASONS = {
    USER_ID: "user_id is missing",
    ITEM_ID: "item_id is missing",
    RATING: "rating is not a number",
    TIMESTAMP: "timestamp cannot be read",
}
BAD_FIRST = "first_timestamp cannot be read, or is after timestamp"


@dataclass(frozen=True)
class Rows:
    """The rows of one part that count, one per row of the file, and what they are like."""

    frame: DataFrame
    """user_id, item_id (text), rating (double), timestamp (1970 where there is none), began; kept
    until the open keeper ends. A row with an earlier first_timestamp stands there once more, at
    that time and with `began`: the pair was known from then on."""
    counts: dict[str, Any]
    """n_rows, invalid (reason → rows dropped), n_users, n_items, n_pairs, n_duplicates,
    n_without_preference (pairs), first_at and last_at (ISO text, None without times)."""
    has_times: bool
    """Whether rows have a timestamp."""
    has_firsts: bool
    """Whether there is a first_timestamp beside it."""
    began_at: datetime
    """The earliest of all times, first ones too."""
    first_at: datetime
    last_at: datetime
    """The earliest and the latest timestamp, naive UTC; 1970 without times."""
    rating_kinds: int
    """Distinct ratings above 0, counted up to about 5 %."""
    rating_range: tuple[float, float]
    """Smallest and largest rating."""

    @property
    def is_timed(self) -> bool:
        """Whether times tell rows apart."""
        return self.has_times and self.began_at < self.last_at

    @property
    def is_once(self) -> bool:
        """Whether no pair repeats though rows have times, without a first_timestamp.

        So it is where rows are pairs with the time of their last event: what happened to a pair
        before is lost then.
        """
        return self.is_timed and not self.has_firsts and not self.counts["n_duplicates"]


def read_rows(source: DataFrame, name: str) -> Rows:
    """Returns the rows of `source` that count; `name` is how messages call it (`--train`).

    Needs user_id and item_id, in any case and of any type; rating is 1 when there is no such
    column. A first_timestamp says when a row's pair began, a null one that nothing is known of it.
    Raises JobError when a column is missing, or when no row counts.
    """
    require_columns(source, (USER_ID, ITEM_ID), name)
    columns = {column.lower(): column for column in source.columns}
    timed = (
        TIMESTAMP in columns and not source.where(F.col(columns[TIMESTAMP]).isNotNull()).isEmpty()
    )
    has_firsts = timed and FIRST in columns
    marked = _with_reason(_as_rows(source, columns, timed, has_firsts))
    invalid = {row["reason"]: row["count"] for row in marked.groupBy("reason").count().collect()}
    n_valid = invalid.pop(None, 0)
    require_some(n_valid, invalid, name, "user_id, item_id and a rating that is a number")
    good = marked.where(F.col("reason").isNull()).drop("reason", "gives_first")
    frame = keep_cached(_with_beginnings(good))
    return _described(frame, n_valid, invalid, (timed, has_firsts))


def _as_rows(
    source: DataFrame, columns: dict[str, str], timed: bool, has_firsts: bool
) -> DataFrame:
    """Returns ids as text, rating, timestamp, first_timestamp, and whether the row gives one."""
    rating, first, gives_first = F.lit(1.0), F.lit(None).cast("timestamp"), F.lit(False)
    if RATING in columns:
        number = F.col(f"`{columns[RATING]}`").try_cast("double")
        rating = F.when(~F.isnan(number) & (F.abs(number) < float("inf")), number)
    if has_firsts:
        text = F.trim(F.col(f"`{columns[FIRST]}`").cast("string"))
        first, gives_first = moment(source, columns[FIRST]), F.coalesce(text != "", F.lit(False))
    return source.select(
        text_id(source, columns[USER_ID]).alias(USER_ID),
        text_id(source, columns[ITEM_ID]).alias(ITEM_ID),
        rating.alias(RATING),
        (moment(source, columns[TIMESTAMP]) if timed else instant(EPOCH)).alias(TIMESTAMP),
        first.alias(FIRST),
        gives_first.alias("gives_first"),
    )


def _with_reason(rows: DataFrame) -> DataFrame:
    """Adds `reason`, why a row does not count; null where it does."""
    missing = (F.when(F.col(c).isNull(), F.lit(why)) for c, why in REASONS.items())
    is_later = F.coalesce(F.col(FIRST) > F.col(TIMESTAMP), F.lit(True))
    bad_first = F.when(F.col("gives_first") & is_later, F.lit(BAD_FIRST))
    return rows.withColumn("reason", F.coalesce(*missing, bad_first))


def _with_beginnings(good: DataFrame) -> DataFrame:
    """Returns each row, and once more at its first_timestamp where that is earlier."""
    times = F.array(F.struct(F.col(TIMESTAMP).alias("at"), F.lit(False).alias("began")))
    first = F.array(F.struct(F.col(FIRST).alias("at"), F.lit(True).alias("began")))
    both = F.when(F.col(FIRST) < F.col(TIMESTAMP), F.concat(times, first)).otherwise(times)
    rows = good.select(USER_ID, ITEM_ID, RATING, F.explode(both).alias("time"))
    return rows.select(
        USER_ID,
        ITEM_ID,
        RATING,
        F.col("time.at").alias(TIMESTAMP),
        F.col("time.began").alias(BEGAN),
    )


def require_columns(source: DataFrame, names: tuple[str, ...], name: str) -> None:
    """Raises JobError when a column is missing, whatever its case; `name` is the source's."""
    present = {column.lower() for column in source.columns}
    missing = [column for column in names if column not in present]
    if missing:
        raise JobError(
            f"{name} needs the columns {' and '.join(names)}",
            f"It has no {' and no '.join(missing)}; its columns are {', '.join(source.columns)}",
            "Rename the columns in the file",
        )


def require_some(n_valid: int, invalid: dict[str, int], name: str, needs: str) -> None:
    """Raises JobError when no row counts, with the reasons that rows were dropped for.

    `needs` is what a row must have.
    """
    if n_valid:
        return
    dropped = "; ".join(f"{why} in {n:,} rows" for why, n in sorted(invalid.items()))
    raise JobError(
        f"{name} should hold at least one row with {needs}",
        f"There is none: {dropped}" if dropped else "It is empty",
        "Fix the file; times are ISO 8601 text, numbers since 1970, or timestamps (docs/times.md)",
    )


def pairs_of(rows: DataFrame) -> DataFrame:
    """Returns user_id, item_id, strength, last_at: one row per pair.

    Of repeated pairs the latest rating counts; of those at the same time the largest. A rating
    at or below 0 is a strength of 0: the user knows the item, and it is no preference.
    """
    latest = F.max_by(RATING, F.struct(TIMESTAMP, RATING))
    strength = F.greatest(latest, F.lit(0.0)).alias("strength")
    return rows.groupBy(USER_ID, ITEM_ID).agg(strength, F.max(TIMESTAMP).alias("last_at"))


def text_id(frame: DataFrame, name: str) -> Column:
    """Returns ids as text, null where there is none; 17.0 of a column of floats is '17'."""
    return F.nullif(plain_text(F.col(f"`{name}`"), frame.schema[name].dataType), F.lit(""))


def moment(frame: DataFrame, name: str) -> Column:
    """Returns times as timestamps, null where they cannot be read: the grammar of docs/times.md.

    Times without offset are UTC. Numbers too small for a time are seconds here, since a counter
    tells what came first as well.
    """
    return timestamp_of(F.col(f"`{name}`"), frame.schema[name].dataType, smallest=0)


def _described(
    good: DataFrame,
    n_valid: int,
    invalid: dict[str, int],
    times: tuple[bool, bool],
) -> Rows:
    timed, has_firsts = times
    pairs = pairs_of(good).agg(
        F.count(F.lit(1)).alias("n"), F.count_if(F.col("strength") <= 0).alias("unloved")
    )
    figures = good.agg(
        F.count_distinct(USER_ID).alias("n_users"),
        F.count_distinct(ITEM_ID).alias("n_items"),
        F.unix_micros(F.min(F.when(~F.col(BEGAN), F.col(TIMESTAMP)))).alias("first"),
        F.unix_micros(F.max(TIMESTAMP)).alias("last"),
        F.unix_micros(F.min(TIMESTAMP)).alias("began"),
        F.approx_count_distinct(F.when(F.col(RATING) > 0, F.col(RATING))).alias("kinds"),
        F.min(RATING).alias("low"),
        F.max(RATING).alias("high"),
    )
    # One query for both: each is a row.
    row = figures.crossJoin(pairs).collect()[0]
    began, first, last = (
        EPOCH + timedelta(microseconds=row[name]) for name in ("began", "first", "last")
    )
    counts = {
        "n_rows": n_valid + sum(invalid.values()),
        "invalid": dict(sorted(invalid.items())),
        "n_users": row["n_users"],
        "n_items": row["n_items"],
        "n_pairs": row["n"],
        "n_duplicates": n_valid - row["n"],
        "n_without_preference": row["unloved"],
        "first_at": first.isoformat() if timed else None,
        "last_at": last.isoformat() if timed else None,
    }
    kinds, ratings = row["kinds"], (row["low"], row["high"])
    return Rows(good, counts, timed, has_firsts, began, first, last, kinds, ratings)
