"""Quality of the recommender on the bundled shop: all models side by side on the unseen test split.

    python benchmarks/bench_quality.py                ingests the shop into a lake of its own first
    python benchmarks/bench_quality.py --lake lake    uses the events and interactions of a lake

Global time split at 80 % of the events that name a user and an item, new items only, users with
history only. Prints every model's nDCG@10 with its interval and the paired gains, and writes
benchmarks/results/quality.json. The winner is picked on the folds; for what that leaves open see
CAVEAT.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

from sparkperso.config import load_settings
from sparkperso.jobs import build_features, ingest_events
from sparkperso.jobs.train_recommender import job as train_recommender
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.step import carry_out, is_up_to_date
from sparkperso.platform.session import build_session

RESULTS = Path(__file__).parent / "results"
CAVEAT = (
    "The search space in conf/base/recommend.yaml was drawn up with figures of this shop in sight, "
    "those of this split among them. The winner within the space is picked on the folds."
)


def main() -> None:
    arguments = parse_arguments()
    settings = load_settings(assignments=arguments.assignments, lake=arguments.lake)
    spark = build_session(settings)

    def job(name: str, **options: object) -> Job:
        return Job(name, settings, spark, options)

    if not job("look").lake.ref("gold/interactions").exists():
        carry_out(ingest_events.STEP, job("ingest-events", source="online_retail", path=None))
        carry_out(build_features.STEP, job("build-features"))
    training = job("train-recommender")
    if not is_up_to_date(train_recommender.STEP, training):
        carry_out(train_recommender.STEP, training)
    candidate = job("look").tracking.by_alias(train_recommender.MODEL, "candidate")
    assert candidate is not None
    result = summarise(candidate.document)
    show(result)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "quality.json").write_text(json.dumps(result, indent=2) + "\n")
    spark.stop()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", default="/tmp/sparkperso-bench-quality")
    parser.add_argument("--set", dest="assignments", action="append", default=[])
    return parser.parse_args()


def summarise(document: dict) -> dict:
    test = document["test"]
    means = {name: interval["mean"] for name, interval in test["intervals"].items()}
    winner = means[test["challenger"]]
    return {
        "strategy": document["strategy"],
        "winner": document["params"],
        "popularity_tuned": document["popularity"],
        "metric": test["metric"],
        "intervals": test["intervals"],
        "paired_gains": test["gains"],
        "ratios": {n: round(winner / m, 3) for n, m in means.items() if n != test["challenger"]},
        "buckets": test["buckets"],
        "metrics": test["metrics"],
        "caveat": CAVEAT,
        "folds": document["folds"],
        "measured": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }


def show(result: dict) -> None:
    n_users = result["metrics"]["popularity"]["n_judged"]
    print(f"{result['metric']} on the test split, {n_users:.0f} users")
    for name, interval in result["intervals"].items():
        print(f"  {name:<28} {text(interval)}")
    for name, gain in result["paired_gains"].items():
        print(f"  gain over {name:<18} {text(gain)}, × {result['ratios'][name]}")


def text(interval: dict) -> str:
    return f"{interval['mean']:.4f} [{interval['low']:.4f}, {interval['high']:.4f}]"


if __name__ == "__main__":
    main()
