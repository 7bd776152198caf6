"""The search of 24 ALS candidates on 3 folds of the bundled shop: the kernel's tasks beside MLlib.

    python benchmarks/bench_search.py                    MLlib on a sample of 4 candidates
    python benchmarks/bench_search.py --mllib 24         MLlib on all of them (about an hour)

Both sides fit the same candidates on the same folds and judge the same lists; early stopping is
off on both. MLlib's candidates are fitted one after the other; where they are a sample (every
n-th), its time is multiplied up, and the table says so. Needs a lake with gold/interactions
(--lake), or makes one. Writes benchmarks/results/search.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from sparkperso.config import load_settings
from sparkperso.config.recommend.criterion import Criterion
from sparkperso.config.recommend.models import AlsParams
from sparkperso.jobs import build_features, ingest_events
from sparkperso.jobs.train_recommender.job import read_inputs
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.step import carry_out
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.platform.session import build_session
from sparkperso.recommend.data.folds import make_folds
from sparkperso.recommend.data.prepared_fold import prepare_fold
from sparkperso.recommend.data.user_histories import load_catalogue
from sparkperso.recommend.fit.fit_strategy import Engine, Fitter
from sparkperso.recommend.fit.mllib import MllibSetting
from sparkperso.recommend.fit.trial import Broadcasts
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.tune.search import Search, SearchPlan

RESULTS = Path(__file__).parent / "results" / "search.json"
METRIC = "ndcg_at_10"


def candidates() -> list[AlsParams]:
    """Returns 24: rank × reg_param × alpha × max_iter."""
    return [
        AlsParams(rank=rank, reg_param=reg, alpha=alpha, max_iter=10)
        for rank in (16, 32, 64)
        for reg in (0.05, 0.1, 0.2, 0.4)
        for alpha in (1, 4)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", default="/tmp/sparkperso-bench-quality")
    parser.add_argument("--mllib", type=int, default=4, help="Candidates that MLlib is given.")
    arguments = parser.parse_args()
    folds = ["recommend.split.fold_ends=[0.5, 0.6, 0.7]"]
    settings = load_settings(assignments=folds, lake=arguments.lake)
    spark = build_session(settings)
    job = Job("bench", settings, spark, say=lambda line: None)
    if not job.lake.ref("gold/interactions").exists():
        options = {"source": "online_retail", "path": None}
        carry_out(ingest_events.STEP, Job("ingest-events", settings, spark, options))
        carry_out(build_features.STEP, Job("build-features", settings, spark, {}))
    found = measure(job, arguments.mllib)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    spark.stop()


def measure(job: Job, n_mllib: int) -> dict:
    config, (inputs, _) = job.settings.recommend, read_inputs(job)
    catalogue = load_catalogue(inputs.item_index, job.read("silver/items"), 500_000)
    folds, _ = make_folds(inputs.events, config.interactions, config.split, inputs.as_of)
    prepared_folds = [
        prepare_fold(f, Criterion(10), catalogue, inputs.item_index, inputs.attributes)
        for f in folds
    ]
    for prepared in prepared_folds:
        prepared.judged_users.count()
    space = candidates()
    step = max(1, len(space) // n_mllib)
    sides = {"kernel": space, "mllib": space[::step]}
    found = {
        name: search(job, prepared_folds, catalogue, name, tried) for name, tried in sides.items()
    }
    scaled = found["mllib"]["seconds"] * len(space) / len(sides["mllib"])
    by_kernel = found["kernel"]["means"][::step]
    return {
        "candidates": len(space),
        "folds": len(prepared_folds),
        "kernel_seconds": found["kernel"]["seconds"],
        "kernel_seconds_again": found["kernel"]["seconds_again"],
        "mllib_candidates_measured": len(sides["mllib"]),
        "mllib_seconds_measured": found["mllib"]["seconds"],
        "mllib_seconds_all" if step == 1 else "mllib_seconds_multiplied_up": scaled,
        "times_faster": scaled / found["kernel"]["seconds"],
        "times_faster_once_compiled": scaled / found["kernel"]["seconds_again"],
        "best_ndcg_at_10_kernel": max(by_kernel),
        "best_ndcg_at_10_mllib": max(found["mllib"]["means"]),
        "ndcg_at_10_of_the_same_candidates": [
            {"kernel": k, "mllib": m}
            for k, m in zip(by_kernel, found["mllib"]["means"], strict=True)
        ],
    }


def search(job: Job, prepared_folds: list, catalogue: object, engine: str, tried: list) -> dict:
    """Returns seconds and every candidate's mean; the kernel a second time, its code compiled."""
    setting = FitSetting(job.settings.recommend.seed)
    allowed = {n: prepared.allowed for n, prepared in enumerate(prepared_folds)}
    shared = job.spark.sparkContext.broadcast(
        Broadcasts(catalogue, allowed, Criterion(10), setting)
    )
    slots = job.spark.sparkContext.defaultParallelism
    fitter = Fitter(
        Engine(engine, "measured"), catalogue, setting, MllibSetting(setting.seed, slots)
    )
    looker = Search(
        prepared_folds, shared, SearchPlan(slots), NullRecorder(), print, METRIC, fitter
    )
    seconds = []
    for _ in range(2 if engine == "kernel" else 1):
        start = time.perf_counter()
        found = looker.run(tried)
        seconds.append(time.perf_counter() - start)
    means = [round(float(np.mean(one.mean[METRIC])), 6) for one in found]
    return {"seconds": seconds[0], "seconds_again": seconds[-1], "means": means}


if __name__ == "__main__":
    main()
