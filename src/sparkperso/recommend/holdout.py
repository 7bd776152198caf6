"""The test: the chosen models evaluated once on the part that no choice has seen, side by side.

1. Each model makes the lists of a block of users, as it will in use (`scoring.lister.make_lists`).
2. They are judged into sums (`Judge.sums`): per metric, per bucket of history, and per group of
   users for the bootstrap.
3. Sums add up over blocks: in one go where the test is in the driver's memory, else in one pass
   over the users where they are.
4. All figures come from the sums (`compare`): means, intervals, and paired gains, whose groups are
   resampled together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.criterion import METRICS, Criterion, metric_name
from sparkperso.config.recommend.section import BootstrapConfig
from sparkperso.core.columns import ITEM_ID, RANK, USER_ID
from sparkperso.evaluate.bootstrap import Interval, bootstrap_interval
from sparkperso.evaluate.ranking import judge, ranking_metrics
from sparkperso.platform.frames import broadcast
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import BUCKETS, Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints
from sparkperso.recommend.data.prepared_fold import Metrics, PreparedFold
from sparkperso.recommend.data.user_histories import n_history
from sparkperso.recommend.fit.driver_folds import HASH, DriverFold
from sparkperso.recommend.fit.trial import Broadcasts, FoldInMemory, read_fold
from sparkperso.recommend.models.base import FitSetting, Fitted
from sparkperso.recommend.scoring.lister import Lister, make_lists
from sparkperso.recommend.scoring.ranking_blocks import user_values
from sparkperso.recommend.scoring.top_n import Lists, Selection

if TYPE_CHECKING:
    from pyspark import Broadcast

DECIMALS = 6
FALLBACK = "popularity_tuned"
Buckets = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Comparison:
    """Figures of several models for the same users."""

    metric: str
    challenger: str
    metrics: Mapping[str, Metrics]
    """Model → all metrics (0 to 1, novelty in bits), over users with a history."""
    intervals: Mapping[str, Interval]
    """Model → interval of the metric's mean."""
    gains: Mapping[str, Interval]
    """Baseline → paired interval of challenger minus baseline."""
    buckets: Mapping[str, Buckets]
    """Model → bucket of histories → the metric's mean, and n, the users judged."""

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as plain values, for a document."""
        return {
            "metric": self.metric,
            "challenger": self.challenger,
            "metrics": {name: dict(values) for name, values in self.metrics.items()},
            "intervals": {name: i.as_dict() for name, i in self.intervals.items()},
            "gains": {name: i.as_dict() for name, i in self.gains.items()},
            "buckets": {name: dict(buckets) for name, buckets in self.buckets.items()},
        }


def compare(
    models: Mapping[str, Fitted],
    challenger: str,
    prepared: PreparedFold | DriverFold,
    catalogue: Catalogue,
    resampling: tuple[BootstrapConfig, int],
) -> Comparison:
    """Returns all models' figures, and the challenger's paired gain over each other model.

    `models` are fitted on the fold's training users; `challenger` is one of their names. Users
    without a history are served as they will be: where a model has no list for them, by the tuned
    popularity. `resampling` is the bootstrap's settings and its seed. Raises KeyError for a
    challenger that is not among the models.
    """
    config, seed = resampling
    sums = _sums(models, prepared, catalogue, config.n_buckets)
    counts, present = sums[challenger].counts, sums[challenger].counts > 0

    def interval(values: Floats) -> Interval:
        # Rounded, so that the order in which blocks were added up does not show.
        rounded = np.round(values[present], 9)
        return bootstrap_interval(counts[present], rounded, config.n_resamples, config.level, seed)

    best = sums[challenger].values
    return Comparison(
        prepared.criterion.name,
        challenger,
        {
            name: own.means(prepared.k, prepared.n_items)
            | {"cold_user_share": prepared.fold.cold_user_share}
            for name, own in sums.items()
        },
        {name: interval(own.values) for name, own in sums.items()},
        {name: interval(best - own.values) for name, own in sums.items() if name != challenger},
        {name: own.by_history(prepared.criterion) for name, own in sums.items()},
    )


@dataclass(frozen=True)
class Sums:
    """What the figures of one model come from: sums over users, which blocks of users add up to."""

    totals: Floats
    """Of users with a history: how many, Σ of each of METRICS, Σ novelty (bits), places."""
    users: Floats
    """Users per bucket of BUCKETS."""
    by_bucket: Floats
    """Σ criterion per bucket of BUCKETS."""
    counts: Floats
    """Users with a history per group of the bootstrap."""
    values: Floats
    """Their Σ criterion."""
    listed: npt.NDArray[np.bool_]
    """Items in the lists of users with a history."""

    def __add__(self, other: Sums) -> Sums:
        """Returns the sums of both groups of users."""
        # Of flags, + is "or".
        parts = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return Sums(**parts)

    def means(self, k: int, n_items: int) -> Metrics:
        """Returns evaluate.ranking's `mean_metrics` over users with a history."""
        n, *values, novelty, places = self.totals.tolist()
        means = {
            metric_name(name, k): value / max(n, 1)
            for name, value in zip(METRICS, values, strict=True)
        }
        means[f"coverage_at_{k}"] = float(self.listed.sum()) / max(n_items, 1)
        means[f"novelty_at_{k}"] = novelty / max(places, 1)
        return {name: round(value, DECIMALS) for name, value in means.items()} | {"n_judged": n}

    def by_history(self, criterion: Criterion) -> Buckets:
        """Returns bucket of histories → the mean criterion under its name, and n, its users."""
        rows = zip(BUCKETS, self.by_bucket.tolist(), self.users.tolist(), strict=True)
        return {
            b: {criterion.name: round(total / n, DECIMALS), "n": int(n)}
            for b, total, n in rows
            if n
        }

    def arrays(self) -> dict[str, bytes]:
        """Returns the fields as bytes, to send from a task; `read` takes them back."""
        return {f.name: getattr(self, f.name).tobytes() for f in fields(self)}

    @classmethod
    def nothing(cls, n_groups: int, n_items: int) -> Sums:
        """Returns the sums of nobody."""
        totals, buckets, groups = (np.zeros(n) for n in (len(METRICS) + 3, len(BUCKETS), n_groups))
        return cls(totals, buckets, buckets, groups, groups, np.zeros(n_items, dtype=bool))

    @classmethod
    def read(cls, arrays: Mapping[str, bytes]) -> Sums:
        """Returns the sums whose `arrays` these are."""
        kinds = {f.name: bool if f.name == "listed" else np.float64 for f in fields(cls)}
        return cls(**{name: np.frombuffer(arrays[name], kind) for name, kind in kinds.items()})


@dataclass(frozen=True)
class Judge:
    """What lists of a block of users are judged with."""

    catalogue: Catalogue
    item_users: Floats
    """Users who had the item in training, per item."""
    n_train_users: int
    n_groups: int
    """Groups of the bootstrap."""

    def sums(self, lister: Lister, prepared: FoldInMemory, hashes: Ints) -> Sums:
        """Returns the sums of the lister's lists of the users with relevant items.

        `hashes` has one number per user of `prepared`: users of one number are in one group of the
        bootstrap. An item that no user had in training counts as had by one in the novelty.
        """
        judged = np.flatnonzero(prepared.truth.counts > 0)
        users, truth = prepared.users.take(judged), prepared.truth.take(judged)
        lists = self._lists(lister, users)
        per_user = user_values(lists, truth)
        # Headline figures are of users with a history; the others have their own bucket.
        warm = users.lengths > 0
        shown = lists.items[warm]
        shown = shown[shown >= 0]
        shares = np.maximum(self.item_users[shown], 1) / max(self.n_train_users, 1)
        figures = [float(per_user[name][warm].sum()) for name in METRICS]
        groups = np.mod(hashes[judged], self.n_groups)[warm]
        listed = np.zeros(len(self.catalogue), dtype=bool)
        listed[shown] = True
        deciding, n = per_user[prepared.criterion.metric], len(BUCKETS)
        return Sums(
            np.array([warm.sum(), *figures, -np.log2(shares).sum(), len(shown)], np.float64),
            np.bincount(users.buckets, minlength=n).astype(np.float64),
            np.bincount(users.buckets, deciding, n).astype(np.float64),
            np.bincount(groups, minlength=self.n_groups).astype(np.float64),
            np.bincount(groups, deciding[warm], self.n_groups).astype(np.float64),
            listed,
        )

    def _lists(self, lister: Lister, users: Histories) -> Lists:
        """Returns the lists of `make_lists` as positions, -1 where a list is shorter."""
        table = make_lists(lister, users)
        rows = pc.index_in(table.column(USER_ID), pa.array(users.ids, pa.string())).to_numpy()
        items = pc.index_in(table.column(ITEM_ID), pa.array(self.catalogue.ids, pa.string()))
        places = np.full((len(users), lister.select.n), -1, dtype=np.int64)
        places[rows, table.column(RANK).to_numpy() - 1] = items.to_numpy()
        return Lists(places, np.zeros(places.shape, dtype=np.float32))


def _sums(
    models: Mapping[str, Fitted],
    prepared: PreparedFold | DriverFold,
    catalogue: Catalogue,
    n_groups: int,
) -> dict[str, Sums]:
    """Returns each model's sums: worked out here, or block by block where the users are."""
    select, fallback = Selection(prepared.k, prepared.allowed), models.get(FALLBACK)
    listers = {
        name: Lister(model, "", catalogue, select, fallback, fills="cold")
        for name, model in models.items()
    }
    if isinstance(prepared, DriverFold):
        training = prepared.in_memory.users.training
        item_users = np.asarray(training.likes.sum(axis=0), np.float64).ravel()
        judging = Judge(catalogue, item_users, len(training), n_groups)
        in_memory, hashes = prepared.in_memory, prepared.hashes
        return {name: judging.sums(lister, in_memory, hashes) for name, lister in listers.items()}
    judging = Judge(catalogue, _item_users(prepared, catalogue), prepared.n_train_users, n_groups)
    shared = Broadcasts(catalogue, {0: prepared.allowed}, prepared.criterion, FitSetting())
    judged_users = prepared.profiles.where(F.col("n_relevant") > 0)
    judged_users = judged_users.withColumn(HASH, F.xxhash64(USER_ID))
    columns = ", ".join(f"{field.name} binary" for field in fields(Sums))
    with broadcast(judged_users.sparkSession, (listers, judging, shared)) as held:
        rows = judged_users.mapInArrow(_summed(held), f"model string, {columns}").collect()
    sums = {name: Sums.nothing(n_groups, len(catalogue)) for name in listers}
    # Sorted: sums of floats depend on their order, and partitions come in any.
    for row in sorted(rows):
        sums[row["model"]] += Sums.read(row.asDict())
    return sums


def _summed(
    held: Broadcast[tuple[dict[str, Lister], Judge, Broadcasts]],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def summed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        listers, judging, shared = held.value
        for batch in batches:
            table = pa.Table.from_batches([batch]).sort_by(USER_ID)
            prepared, hashes = read_fold(table, 0, shared), table.column(HASH).to_numpy()
            yield pa.RecordBatch.from_pylist(
                [
                    {"model": name, **judging.sums(lister, prepared, hashes).arrays()}
                    for name, lister in listers.items()
                ]
            )

    return summed


def _item_users(prepared: PreparedFold, catalogue: Catalogue) -> Floats:
    """Returns how many users had each item in training."""
    table = prepared.item_users.toArrow()
    places = pc.index_in(table.column(ITEM_ID), pa.array(catalogue.ids, pa.string()))
    is_known = places.is_valid().to_numpy()
    counts = np.zeros(len(catalogue))
    counts[places.drop_null().to_numpy()] = table.column("n_users").to_numpy()[is_known]
    return counts


def judged_frame(lists: DataFrame, profiles: DataFrame, prepared: PreparedFold) -> DataFrame:
    """Returns evaluate.ranking's judged frame of lists, with n_history of each user.

    One row per place of the list of a user of `profiles` with relevant items (or one, rank null,
    for a user without a list).
    """
    relevant = prepared.fold.relevant.unionByName(prepared.fold.cold_relevant)
    rows = judge(lists, relevant, prepared.item_users)
    return rows.join(profiles.select(USER_ID, n_history()), USER_ID)


def by_bucket(judged: DataFrame, criterion: Criterion) -> Buckets:
    """Returns bucket of histories → the mean criterion under its name, and n, the users judged.

    `judged` is evaluate.ranking's frame with n_history of each user.
    """
    starts = list(BUCKETS.items())
    bucket = F.lit(starts[0][0])
    for name, start in starts[1:]:
        bucket = F.when(F.col("n_history") >= start, F.lit(name)).otherwise(bucket)
    value = F.sum(ranking_metrics([criterion.k])[criterion.name]).alias("v")
    per_user = judged.groupBy(USER_ID, bucket.alias("bucket")).agg(value)
    mean = F.round(F.avg("v"), DECIMALS).alias("mean")
    rows = per_user.groupBy("bucket").agg(mean, F.count(F.lit(1)).alias("n")).collect()
    means = {row["bucket"]: {criterion.name: row["mean"], "n": row["n"]} for row in rows}
    return {name: means[name] for name in BUCKETS if name in means}
