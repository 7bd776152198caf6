"""Users and their segments in the driver's memory, where they are few: numpy, without a query.

A small run pays for the number of its queries, not for its rows. So up to `segments.driver_users`
users come to the driver once; beyond, Spark adds up the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.core.columns import USER_ID
from sparkperso.evaluate.clustering import squared_distances

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]

DECIMALS = 6
"""Of what tables hold. Beyond them a sum of floats shows the order in which it was added up."""
N_SAMPLES = 5
"""Hashes of each user's id, beside the plain one, that a few members of a segment are chosen by."""
MIX = "category_mix"
BLOCK = 10_000
"""Points whose distances to all centres are held at a time."""
MEMBERS = f"{USER_ID} string, segment_id string, distance double"


def user_hash(number: int | None = None) -> Column:
    """Returns the hash that users are chosen by: the plain one, or one of N_SAMPLES others.

    It is Spark's xxhash64 of the user_id alone, so that neither partitions nor the order of rows
    change who is chosen.
    """
    return F.xxhash64(USER_ID) if number is None else F.xxhash64(F.lit(number), USER_ID)


@dataclass(frozen=True)
class Mixes:
    """The entries of all users' maps category → share, user by user."""

    users: Ints
    """Position of the user."""
    categories: Texts
    shares: Floats


@dataclass(frozen=True)
class Users:
    """A population in memory; every array has one entry per user, in the order of their ids."""

    ids: Texts
    raw: Mapping[str, Floats]
    """Feature → values in its own unit; NaN where there is none."""
    scaled: Mapping[str, Floats]
    hashes: Ints
    """Users × (1 + N_SAMPLES): the plain hash of the id, then the others."""
    mixes: Mixes

    def __len__(self) -> int:
        """Returns the number of users."""
        return len(self.ids)

    @cached_property
    def places(self) -> dict[str, int]:
        """Returns user id → position."""
        return {name: place for place, name in enumerate(self.ids.tolist())}

    def chosen(self, size: int) -> Ints:
        """Returns the positions of the first users by hash, in the order of `sample.chosen`."""
        order = np.lexsort((np.arange(len(self)), self.hashes[:, 0]))
        return order[:size].astype(np.int64)

    def points(self, features: Sequence[str]) -> Floats:
        """Returns (users, features), float64, scaled, in the order of `features`."""
        return np.column_stack([self.scaled[name] for name in features])


@dataclass(frozen=True)
class UserPoints:
    """All users as points of the features that distances are measured in."""

    users: Users
    values: Floats
    """Users × features."""


@dataclass(frozen=True)
class Members:
    """Who is in which segment: one entry per pair of user and segment."""

    users: Users
    at: Ints
    """Position of the user."""
    segments: Ints
    """Place of the segment in `names`."""
    names: Sequence[str]
    """Ids of the segments."""
    distances: Floats | None = None
    """Distances to the centre, of segments that have one."""

    def of(self, segment: int) -> Ints:
        """Returns the positions of a segment's users, each once, in the order of their ids."""
        return np.unique(self.at[self.segments == segment])

    def frame(self, spark: SparkSession) -> DataFrame:
        """Returns one row per (user_id, segment_id), with the distance: null without centres."""
        names = np.array(self.names, dtype=object)
        distances = pa.nulls(len(self.at), pa.float64())
        if self.distances is not None:
            distances = pa.array(self.distances, pa.float64())
        columns = {
            USER_ID: pa.array(self.users.ids[self.at], pa.string()),
            "segment_id": pa.array(names[self.segments], pa.string()),
            "distance": distances,
        }
        return spark.createDataFrame(pa.table(columns), MEMBERS)


def as_frame(members: DataFrame | Members, spark: SparkSession) -> DataFrame:
    """Returns members as rows of (user_id, segment_id, distance), wherever they are held."""
    return members.frame(spark) if isinstance(members, Members) else members


def collect_users(raw: DataFrame, scaled: DataFrame) -> Users | None:
    """Returns the users of both frames in memory; None where they hold different users.

    Both have one row per user; `raw` holds the map `category_mix` too. All of it comes to the
    driver: callers bound how many users there are.
    """
    # With a space in their names: no feature has such a name.
    hashes = {f"hash {n}": user_hash(n) for n in (None, *range(N_SAMPLES))}
    named = [column.alias(name) for name, column in hashes.items()]
    own, common = _table(raw, F.col(MIX), *named), _table(scaled)
    ids = own.column(USER_ID).to_pylist()
    if ids != common.column(USER_ID).to_pylist():
        return None
    return Users(
        ids=np.array(ids, dtype=object),
        raw=_values(own, raw),
        scaled=_values(common, scaled),
        hashes=np.column_stack([own.column(name).to_numpy() for name in hashes]),
        mixes=_mixes(own.column(MIX).to_pylist()),
    )


def _table(frame: DataFrame, *more: Column) -> pa.Table:
    """Ids, numbers and the columns `more` of all users, in the order of the ids."""
    columns = [F.col(name) for name in (USER_ID, *number_columns(frame))]
    return frame.select(*columns, *more).toArrow().sort_by(USER_ID)


def _values(table: pa.Table, frame: DataFrame) -> dict[str, Floats]:
    names = number_columns(frame)
    return {name: table.column(name).to_numpy().astype(np.float64) for name in names}


def number_columns(frame: DataFrame) -> list[str]:
    """Returns the names of the columns that hold numbers, in the order of the schema."""
    return [f.name for f in frame.schema if isinstance(f.dataType, T.NumericType)]


def _mixes(maps: Sequence[Sequence[tuple[str, float]] | None]) -> Mixes:
    lengths = [len(entries or ()) for entries in maps]
    pairs = [pair for entries in maps for pair in entries or ()]
    return Mixes(
        np.repeat(np.arange(len(lengths)), lengths),
        np.array([category for category, _ in pairs], dtype=object),
        np.array([share for _, share in pairs], dtype=np.float64),
    )


def nearest_centres(points: Floats, centres: Floats) -> tuple[Ints, Floats]:
    """Returns each point's nearest centre, of equals the first, and its squared distance.

    Both have shape (points,): int64 places among `centres` (centres, features) and float64, squared
    Euclidean. Sums are added up in the order of `points.with_nearest`, so that a tie is a tie in
    both. Blocks of points bound the memory.
    """
    places = np.empty(len(points), dtype=np.int64)
    squared = np.empty(len(points))
    for start in range(0, len(points), BLOCK):
        part = slice(start, start + BLOCK)
        apart = squared_distances(points[part], centres)
        places[part] = apart.argmin(axis=1)
        squared[part] = apart[np.arange(len(apart)), places[part]]
    return places, squared


def rounded_roots(squared: Floats) -> Floats:
    """Returns distances of squared distances, rounded to DECIMALS as tables hold them."""
    roots: Floats = np.sqrt(squared)
    return roots.round(DECIMALS)
