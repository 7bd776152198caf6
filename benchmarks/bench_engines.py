"""One ALS fit through Spark by each engine, from 0.1 to 20 million interactions.

    python benchmarks/bench_engines.py                     0.1, 0.5 and 1 million, all engines
    python benchmarks/bench_engines.py --millions 5 20 --engines kernel blocks

Rank 64, 16 iterations, users and items of a long-tailed random shop. Seconds are end to end: from
profiles in memory to item factors on the driver. `implicit` fits in this process, on all cores,
from a matrix that it is handed; what collecting the matrix takes is not counted. Adds to
benchmarks/results/engines.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.config.recommend.models import AlsParams
from sparkperso.platform.session import build_session
from sparkperso.recommend.arrays.histories import read_histories
from sparkperso.recommend.fit.fit_strategy import Engine, Fitter
from sparkperso.recommend.fit.mllib import MllibSetting
from sparkperso.recommend.models.base import FitSetting
from sparkperso.testing.models import bare_catalogue

RESULTS = Path(__file__).parent / "results" / "engines.json"
N_ITEMS = 20_000
ENGINES = ["kernel", "blocks", "mllib", "implicit"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", type=float, nargs="+", default=[0.1, 0.5, 1])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--iterations", type=int, default=16)
    arguments = parser.parse_args()
    spark = build_session(load_settings(lake="/tmp/sparkperso-bench-engines"))
    params = AlsParams(rank=64, max_iter=arguments.iterations)
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for millions in arguments.millions:
        profiles = make_profiles(spark, int(millions * 1e6)).persist()
        pairs = profiles.agg(F.sum(F.size("items"))).first()[0]
        for name in arguments.engines:
            found = {"millions": millions, "engine": name, "pairs": pairs}
            found |= measure(name, profiles, params)
            rows = [row for row in rows if not found.items() >= only_key(row).items()] + [found]
            print(found, flush=True)
            RESULTS.write_text(json.dumps(rows, indent=2) + "\n")
        profiles.unpersist()
    spark.stop()


def only_key(row: dict) -> dict:
    return {name: row[name] for name in ("millions", "engine")}


def measure(name: str, profiles: DataFrame, params: AlsParams) -> dict[str, float]:
    if name == "implicit":
        return {"seconds": round(implicit_seconds(profiles, params), 2)}
    slots = profiles.sparkSession.sparkContext.defaultParallelism
    catalogue = bare_catalogue(np.array([f"i{n}" for n in range(N_ITEMS)], dtype=object))
    fitter = Fitter(Engine(name, "measured"), catalogue, FitSetting(), MllibSetting(42, slots))
    start = time.perf_counter()
    fitter.fit(profiles, {"als": params})
    seconds = time.perf_counter() - start
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"seconds": round(seconds, 2), "largest_child_rss_mb": round(children)}


def implicit_seconds(profiles: DataFrame, params: AlsParams) -> float:
    from implicit.als import AlternatingLeastSquares

    likes = read_histories(profiles.toArrow(), N_ITEMS).likes
    model = AlternatingLeastSquares(factors=params.rank, iterations=params.max_iter, alpha=1.0)
    start = time.perf_counter()
    model.fit(likes, show_progress=False)
    return time.perf_counter() - start


def make_profiles(spark: SparkSession, n_pairs: int) -> DataFrame:
    """Returns profiles of about `n_pairs` distinct pairs, made where they lie."""
    n_users = max(n_pairs // 40, 1)

    def make(batches):
        for batch in batches:
            for user in batch.column(0).to_pylist():
                chance = np.random.default_rng(user)
                size = min(int(chance.pareto(1.5) * 18) + 5, 2000)
                drawn = (N_ITEMS ** chance.random(2 * size)).astype(np.int32) - 1
                items = np.unique(drawn)[:size]
                yield pa.RecordBatch.from_pydict(
                    {
                        "user_id": [f"u{user:08d}"],
                        "items": [items.tolist()],
                        "strengths": [[1.0] * len(items)],
                        "ages": [[0.0] * len(items)],
                        "attributes": [[]],
                    },
                    schema=SCHEMA,
                )

    slots = spark.sparkContext.defaultParallelism
    types = "user_id string, items array<int>, strengths array<float>, ages array<float>, "
    return spark.range(0, n_users, 1, 2 * slots).mapInArrow(
        make, types + "attributes array<string>"
    )


SCHEMA = pa.schema(
    {
        "user_id": pa.string(),
        "items": pa.list_(pa.int32()),
        "strengths": pa.list_(pa.float32()),
        "ages": pa.list_(pa.float32()),
        "attributes": pa.list_(pa.string()),
    }
)


if __name__ == "__main__":
    main()
