"""k-means of one fixed k beside MLlib's bare fit: scaling, fit, assignment, profiles, writing.

Ours finds centres by several starts on a sample and improves them on all; MLlib's has one start.

    python benchmarks/bench_kmeans.py [--users 1000000] [--k 20] [--rounds 2]

Users with 20 features around k centres are made up and written as gold/user_features first. Bare is
`KMeans.fit` on scaled vectors that are in memory already. Ours begins with the table: scalers are
fitted, features scaled and written, centres found, everybody assigned,
segments profiled, and members, profiles and history written. Choosing k (silhouette and the other
measures of a candidate) is timed apart. Both are side by side in each round; ratios are of medians.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from pyspark.ml.clustering import KMeans
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.config.segments import KMeansSegmentation
from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.features.scaling import fit_scalers, scale_features
from sparkperso.jobs.build_segments.tables import FEATURES, SCALED, Built, write_segmentations
from sparkperso.pipeline.job import Job
from sparkperso.platform.session import build_session
from sparkperso.schemas import TABLES
from sparkperso.segments.base.points import POINT, cached_points
from sparkperso.segments.base.population import Population
from sparkperso.segments.base.result import SegmentationResult
from sparkperso.segments.base.sample import mini_batch, points_in_driver
from sparkperso.segments.describe.statistics import profile_segments
from sparkperso.segments.kmeans.build import named, scaled_centres
from sparkperso.segments.kmeans.centres import best_centres, refine_centres
from sparkperso.segments.kmeans.search import assign, measured
from sparkperso.segments.tables.table_rows import Stamp

RESULTS = Path(__file__).parent / "results"
AS_OF = datetime(2026, 6, 30)
CHOSEN = NUMERIC_FEATURES[:20]
SEED = 42
WARM_UP = 20_000
"""Users of a round that does not count."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as lake:
        settings = load_settings(assignments=["spark.driver_memory=6g"], lake=lake)
        job = Job("build-segments", settings, build_session(settings))
        plan = KMeansSegmentation(name="bench", features=CHOSEN)
        for count in (WARM_UP, arguments.users):
            job.writer(FEATURES).overwrite(users(job, count, arguments.k))
            if count == WARM_UP:
                ours(job, plan, arguments.k)
                bare(job, plan, arguments.k)
        for _ in range(arguments.rounds):
            found = ours(job, plan, arguments.k)
            found["bare"] = bare(job, plan, arguments.k)
            rounds.append({name: round(seconds, 2) for name, seconds in found.items()})
            print(json.dumps(rounds[-1]), flush=True)
    medians = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    ratio = round(medians["whole"] / medians["bare"], 2)
    result = {**vars(arguments), **medians, "whole to bare": ratio, "each": rounds}
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "kmeans.json").write_text(json.dumps(result, indent=2) + "\n")


def users(job: Job, count: int, k: int) -> DataFrame:
    """Returns rows of gold/user_features around k centres."""
    made = job.spark.range(count).withColumn("group", F.pmod(F.xxhash64("id"), F.lit(k)))
    columns = []
    for number, column in enumerate(TABLES[FEATURES].columns):
        if column.name in CHOSEN:
            centre = F.pmod(F.xxhash64("group", F.lit(number)), F.lit(100))
            value = F.abs(centre + 8 * F.randn(number))
        elif column.name in NUMERIC_FEATURES:
            value = F.lit(0.0)
        else:
            value = {"user_id": F.concat(F.lit("u"), "id"), "as_of": F.lit(AS_OF)}.get(
                column.name,
                F.lit(None) if column.nullable else F.from_json(F.lit("{}"), "map<string,double>"),
            )
        columns.append(value.cast(column.type).alias(column.name))
    return made.select(*columns)


def ours(job: Job, plan: KMeansSegmentation, k: int) -> dict[str, float]:
    """Returns the seconds of each part, and of the whole without choosing k."""
    clock = Clock()
    raw = job.lake.ref(FEATURES).read()
    with clock.part("scaling"):
        scalers = fit_scalers(raw, job.settings.features.scaling, AS_OF)
        job.writer(SCALED).overwrite(scale_features(raw, scalers))
        scaled = job.lake.ref(SCALED).read()
        size = raw.count()
    population = Population(raw, scaled, AS_OF, size, scalers[0].scaler_version)
    partitions = math.ceil(size / job.settings.segments.users_per_partition)
    with cached_points(scaled, plan.features, partitions) as points:
        with clock.part("fit"):
            tried = mini_batch(points, size, job.settings.segments.driver_users)
            matrix = points_in_driver(points if tried is None else tried)
            centres = best_centres(matrix, plan, k, SEED, job.settings.segments.num_seeds)
            if tried is not None:
                centres = refine_centres(points, centres, plan)
        with clock.part("choosing k"):
            candidate = measured(points, centres, k, SEED)
        with clock.part("assignment and profiles"):
            centres, assigned = assign(points, candidate)
            assigned = assigned.persist()
            ids = [f"bench-{number}" for number in range(1, len(centres) + 1)]
            members = named(assigned, ids)
            profiles = profile_segments(
                members,
                population,
                plan.profiled,
                plan.naming,
                scaled_centres(ids, centres, plan.features),
            )
        with clock.part("writing"):
            result = SegmentationResult("bench", "kmeans", True, members, profiles, {}, {})
            stamp = Stamp(f"run-{time.time()}", datetime.now(timezone.utc), AS_OF)
            write_segmentations(job, [Built(plan, result, stamp, {})], {}, population.size)
            assigned.unpersist()
    whole = sum(seconds for name, seconds in clock.seconds.items() if name != "choosing k")
    return {**clock.seconds, "whole": whole}


def bare(job: Job, plan: KMeansSegmentation, k: int) -> float:
    """Returns the seconds of MLlib's fit on vectors in memory."""
    scaled = job.lake.ref(SCALED).read()
    with cached_points(scaled, plan.features, job.spark.sparkContext.defaultParallelism) as points:
        points.count()
        started = time.monotonic()
        KMeans(featuresCol=POINT, k=k, seed=SEED, maxIter=30, tol=plan.tol).fit(points)
        return time.monotonic() - started


class Clock:
    """Seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Times the block."""
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started


if __name__ == "__main__":
    main()
