"""Top-10 lists of all users through Spark, seen items left out: ours beside MLlib and `implicit`.

    python benchmarks/bench_lists.py                  both sizes, about ten minutes on two cores
    python benchmarks/bench_lists.py --sizes 6000x4000
    python benchmarks/bench_lists.py --models         every model on a large catalogue

The shops are bench_als.py's, factors of rank 64. Ours: `list_frame` on profiles in memory, users
folded in from their histories first. MLlib: recommendForAllUsers, long enough that ten are left,
then an anti-join with what was seen. Both are written to nowhere. `implicit` recommends on two
threads in this process, from factors that it holds. Medians of 3; MLlib is asked once.

With --models: lists of 20 for 30,000 people from 42,000 items (large_data.py, 0.8 million pairs),
by every model, without reasons and with them, on all cores of this process, beside what `implicit`
recommends by its own models of these shapes (folding people in, for the first 1,000). Each once,
after a few users for the compilers. Texts of items are drawn here; factors are random, which takes
no other time. Seconds on the clock and of the processor.
Writes benchmarks/results/lists.json, lists_models.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from bench_als import ALPHA, RANK, SIZES, interactions, lists
from large_data import made
from peer_data import examine
from sparkperso.config import load_settings
from sparkperso.config.recommend.models import (
    AlsParams,
    ContentParams,
    GraphFilterParams,
    KnnParams,
    PopularityParams,
)
from sparkperso.core.threads import one_thread
from sparkperso.platform.session import build_session
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.kernels.als import first_factors
from sparkperso.recommend.lists.batch_scoring import list_frame
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.als import AlsModel
from sparkperso.recommend.models.base import FitSetting, Fitted
from sparkperso.recommend.models.hybrid import HybridModel
from sparkperso.recommend.models.recency_prior import with_prior
from sparkperso.recommend.scoring.lister import Lister, make_lists
from sparkperso.recommend.scoring.top_n import Selection
from sparkperso.testing.models import bare_catalogue

RESULTS = Path(__file__).parent / "results" / "lists.json"
MODELS = Path(__file__).parent / "results" / "lists_models.json"
REPEATS, N = 3, 10
LONG, CORES = 20, os.cpu_count() or 1
FOLDED = 1_000
COUNTRIES, WORDS = ("GB", "FR", "DE"), 8_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES))
    parser.add_argument("--models", action="store_true")
    arguments = parser.parse_args()
    if arguments.models:
        MODELS.write_text(json.dumps(of_models(), indent=2) + "\n")
        return
    sizes = arguments.sizes
    spark = build_session(load_settings(assignments=["spark.driver_memory=8g"]))
    found = {name: measure(spark, interactions(*SIZES[name])) for name in sizes}
    found["load_average"] = os.getloadavg()[0]
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    spark.stop()


def measure(spark: SparkSession, matrix: csr_matrix) -> dict[str, Any]:
    users, items = (first_factors(size, RANK, seed) for seed, size in enumerate(matrix.shape))
    catalogue = bare_catalogue(np.arange(matrix.shape[1]).astype(str).astype(object))
    model = AlsModel(AlsParams(rank=RANK, alpha=ALPHA), items)
    lister = Lister(model, "als_implicit", catalogue, Selection(N))
    profiles = profiles_of(spark, matrix)
    ours = list_frame(profiles, lister)
    seconds = {
        "ours_through_spark": median(lambda: to_nowhere(ours)),
        "implicit": median(lambda: lists("implicit", (users, items), matrix)),
        "mllib_with_anti_join": mllib(spark, matrix),
    }
    print(matrix.shape, seconds, flush=True)
    return {k: round(v, 2) for k, v in seconds.items()}


def median(work: Callable[[], Any]) -> float:
    work()  # Once for the compilers, on all sides but MLlib's, whose one fit warms it up.
    return statistics.median(seconds(work) for _ in range(REPEATS))


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def to_nowhere(frame: DataFrame) -> None:
    frame.write.format("noop").mode("overwrite").save()


def profiles_of(spark: SparkSession, matrix: csr_matrix) -> DataFrame:
    """Returns the matrix as profiles, held in memory."""
    ends = matrix.indptr.astype(np.int32)
    n_users, ones = matrix.shape[0], np.ones(matrix.nnz, np.float32)
    table = pa.table(
        {
            "user_id": np.arange(n_users).astype(str),
            "items": pa.ListArray.from_arrays(ends, matrix.indices.astype(np.int32)),
            "strengths": pa.ListArray.from_arrays(ends, matrix.data.astype(np.float32)),
            "ages": pa.ListArray.from_arrays(ends, 0 * ones),
            "attributes": pa.ListArray.from_arrays(0 * ends, pa.array([], pa.string())),
        }
    )
    profiles = spark.createDataFrame(table).repartition(8, "user_id").persist()
    profiles.count()
    return profiles


def mllib(spark: SparkSession, matrix: csr_matrix) -> float:
    """Returns the seconds of MLlib's lists; fitting its factors is not counted."""
    coo = matrix.tocoo()
    columns = {"user": coo.row, "item": coo.col, "rating": coo.data}
    pairs = spark.createDataFrame(pd.DataFrame(columns)).persist()
    columns = {"userCol": "user", "itemCol": "item", "ratingCol": "rating"}
    model = ALS(rank=RANK, maxIter=1, implicitPrefs=True, **columns).fit(pairs)
    most_seen = int(np.diff(matrix.indptr).max())
    rows = model.recommendForAllUsers(N + most_seen)
    rows = rows.select("user", F.posexplode("recommendations").alias("place", "found"))
    rows = rows.select("user", "place", "found.item").join(pairs, ["user", "item"], "left_anti")
    best = rows.groupBy("user").agg(F.sort_array(F.collect_list(F.struct("place", "item"))))
    return seconds(lambda: to_nowhere(best))


def of_models() -> dict[str, Any]:
    """Returns the seconds of every model's lists of 20: {model: {what: (clock, processor)}}."""
    users, catalogue = large_shop()
    fits: dict[str, Any] = {"seconds of fitting": {}}

    def fitted(params: Any) -> Fitted:
        started = time.perf_counter()
        model = fit_model(params, users, catalogue, FitSetting(threads=CORES))
        fits["seconds of fitting"][params.model] = round(time.perf_counter() - started, 1)
        return model

    popularity = fitted(PopularityParams(scope="country"))
    graph = with_prior(fitted(GraphFilterParams()), users, 60.0)
    near, content = fitted(KnnParams(n_neighbours=100)), fitted(ContentParams())
    far = {rank: random_als(rank, users.n_items) for rank in (64, 512)}
    weights = np.tile(np.array([0.3, 0.5, 0.2, 0.1], np.float32), (4, 1))
    models = {
        "popularity": popularity,
        "item_knn": near,
        "graph_filter": graph,
        "als_implicit rank 64": far[64],
        "als_implicit rank 512": far[512],
        "content": content,
        "hybrid": HybridModel([near, graph, far[64], content], weights),
    }
    table: dict[str, Any] = {**fits, "shape": users.pairs.shape, "pairs": users.pairs.nnz}
    for name, model in models.items():
        bare = Lister(model, name, catalogue, Selection(LONG), popularity)
        table[name] = {
            "lists": both_clocks(bare, users),
            "with reasons": both_clocks(replace(bare, is_explained=True), users),
        }
        print(name, table[name], flush=True)
    for rank in far:
        table[f"implicit ALS rank {rank}"] = implicit_als(rank, users)
    table["implicit cosine, 100 neighbours"] = implicit_knn(users)
    table["load_average"] = os.getloadavg()[0]
    print(json.dumps(table, indent=1))
    return table


def large_shop() -> tuple[Histories, Catalogue]:
    """Returns large_data.py's users up to the cut at 80 %, and its items with texts drawn here."""
    users, rng = examine(made(), 0.8, 1.0).users, np.random.default_rng(1)
    n_items, n_users = users.n_items, len(users)
    words = (rng.pareto(1.0, (n_items, 6)) * 40).astype(int).clip(0, WORDS - 1)
    texts = np.array([" ".join(f"word{word}" for word in row) for row in words], dtype=object)
    shelves = np.array([f"shelf{item // 70}" for item in range(n_items)], dtype=object)
    ids = np.array([f"i{item:06d}" for item in range(n_items)], dtype=object)
    countries = rng.integers(len(COUNTRIES), size=n_users).tolist()
    attributes = tuple((f"country={COUNTRIES[place]}",) for place in countries)
    catalogue = Catalogue(ids, texts, shelves, rng.lognormal(3, 1, n_items))
    return replace(users, attributes=attributes), catalogue


def random_als(rank: int, n_items: int) -> AlsModel:
    return AlsModel(AlsParams(rank=rank, alpha=ALPHA), first_factors(n_items, rank, seed=1))


def both_clocks(lister: Lister, users: Histories) -> tuple[float, float]:
    """Returns the seconds of everybody's lists, on the clock and of the processor."""
    make_lists(lister, users.take(slice(0, 200)), CORES)
    return on_clocks(lambda: make_lists(lister, users, CORES))


def on_clocks(work: Callable[[], Any]) -> tuple[float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return round(time.perf_counter() - clock, 1), round(time.process_time() - processor, 1)


def implicit_als(rank: int, users: Histories) -> dict[str, tuple[float, float]]:
    """Returns the seconds of implicit's lists, its users' factors held or folded in as ours are."""
    model = AlternatingLeastSquares(factors=rank, num_threads=CORES, regularization=0.1)
    shape = users.pairs.shape
    model.user_factors, model.item_factors = (
        first_factors(size, rank, seed) for seed, size in enumerate(shape)
    )

    def recommend(n: int, is_new: bool) -> tuple[float, float]:
        options = {"filter_already_liked_items": True, "recalculate_user": is_new}
        known, asked = users.likes[:n], np.arange(n)
        return on_clocks(lambda: model.recommend(asked, known, N=LONG, **options))

    # Its threads are its own: beside those of BLAS they would wait for each other, as it warns.
    with one_thread():
        return {
            "factors held": recommend(shape[0], False),
            f"folded in, {FOLDED:,} people": recommend(min(FOLDED, shape[0]), True),
        }


def implicit_knn(users: Histories) -> tuple[float, float]:
    model = CosineRecommender(K=100, num_threads=CORES)
    model.fit(users.likes, show_progress=False)
    everybody = np.arange(len(users))
    return on_clocks(
        lambda: model.recommend(everybody, users.likes, N=LONG, filter_already_liked_items=True)
    )


if __name__ == "__main__":
    main()
