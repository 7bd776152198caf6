"""Top-10 lists of all users through Spark, seen items left out: ours beside MLlib and `implicit`.

    python benchmarks/bench_lists.py                  both sizes, about ten minutes on two cores
    python benchmarks/bench_lists.py --sizes 6000x4000

The shops are bench_als.py's, factors of rank 64. Ours: `list_frame` on profiles in memory, users
folded in from their histories first. MLlib: recommendForAllUsers, long enough that ten are left,
then an anti-join with what was seen. Both are written to nowhere. `implicit` recommends on two
threads in this process, from factors that it holds. Medians of 3; MLlib is asked once.
Writes benchmarks/results/lists.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from bench_als import ALPHA, RANK, SIZES, interactions, lists
from sparkperso.config import load_settings
from sparkperso.config.recommend.models import AlsParams
from sparkperso.platform.session import build_session
from sparkperso.recommend.kernels.als import first_factors
from sparkperso.recommend.lists.batch_scoring import list_frame
from sparkperso.recommend.models.als import AlsModel
from sparkperso.recommend.scoring.lister import Lister
from sparkperso.recommend.scoring.top_n import Selection
from sparkperso.testing.models import bare_catalogue

RESULTS = Path(__file__).parent / "results" / "lists.json"
REPEATS, N = 3, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES))
    sizes = parser.parse_args().sizes
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


if __name__ == "__main__":
    main()
