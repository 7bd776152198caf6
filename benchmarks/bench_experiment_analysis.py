"""Times the measuring of an experiment beside one aggregation of the same events.

    python benchmarks/bench_experiment_analysis.py                 20 M events, 4 GB driver
    python benchmarks/bench_experiment_analysis.py --events 1_000_000

One experiment of 4 variants on 500,000 users in 10 segments, 20 metrics of all kinds. Beside it, in
the same run: the sum of `value` by user, joined with the exposures and added up by variant and
segment, which is the least that one metric needs. Prints both, and writes
benchmarks/results/experiment_analysis.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.config.experiments.variants import Variant
from sparkperso.config.metrics import Metric
from sparkperso.experiments.analysis.exposures import exposure_events, first_exposures
from sparkperso.experiments.analysis.measure import measure
from sparkperso.experiments.analysis.plan import MetricPlan
from sparkperso.experiments.analysis.segments_at import memberships, with_segments
from sparkperso.platform.frames import Keeper
from sparkperso.platform.session import build_session

RESULTS = Path(__file__).parent / "results"
START = datetime(2026, 3, 1)
DAYS, SEGMENTS, VARIANTS = 20, 10, ("control", "a", "b", "c")
AS_OF = START + timedelta(days=DAYS)
KINDS = ("page_view", "item_view", "click", "purchase", "scroll", "dwell")


def main() -> None:
    arguments = parse_arguments()
    settings = load_settings(assignments=[f"spark.driver_memory={arguments.memory}"])
    spark = build_session(settings)
    events, history = make_lake(spark, arguments)
    experiment = Experiment(
        name="speed",
        status="running",
        start=START,
        variants={name: Variant(weight=1.0) for name in VARIANTS},
    )
    exposures = first_exposures(exposure_events(events, [experiment]), [experiment], AS_OF)
    place = str(arguments.lake / "exposures")
    exposures.write.mode("overwrite").parquet(place)
    exposed = spark.read.parquet(place)
    config = ExperimentsConfig(segmentations=("groups",))
    plan = MetricPlan({"speed": metrics()}, AS_OF)

    def analysis() -> int:
        with Keeper():
            found = measure(exposed, events, history, plan, config)
        return sum(len(metric.cells) for metric in found["speed"].metrics.values())

    def aggregation() -> int:
        by_user = events.where(F.col("value").isNotNull()).groupBy("user_id").agg(F.sum("value"))
        of_units = with_segments(exposed, memberships(history, ["groups"]), ["groups"])
        joined = of_units.join(by_user, of_units.unit == by_user.user_id, "left")
        return len(joined.groupBy("variant", "segments").agg(F.sum("sum(value)")).collect())

    def by_user() -> int:
        sums = events.groupBy("user_id").agg(F.sum("value").alias("v"))
        return len(sums.agg(F.sum("v")).collect())  # collected: of a count Spark adds nothing up

    timed = {
        "analysis": analysis,
        "one metric by variant and segment": aggregation,
        "sum by user": by_user,
    }
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(arguments.rounds):
        for name, work in timed.items():
            seconds[name].append(clock(work))
    best = {name: round(min(each), 2) for name, each in seconds.items()}
    result = {
        "events": arguments.events,
        "users": arguments.users,
        "metrics": len(metrics()),
        "seconds": best,
        "by one metric": round(best["analysis"] / best["one metric by variant and segment"], 2),
        "by one sum": round(best["analysis"] / best["sum by user"], 2),
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "experiment_analysis.json").write_text(json.dumps(result, indent=2) + "\n")
    spark.stop()
    shutil.rmtree(arguments.lake)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory", default="4g", help="heap of the driver")
    parser.add_argument("--lake", type=Path, default=Path("/tmp/sparkperso-bench-experiments"))
    return parser.parse_args()


def metrics() -> list[Metric]:
    """Twenty metrics: shares, means with caps, ratios, retention, a quantile."""
    of = {kind: {"event_type": kind} for kind in KINDS}
    found = [Metric(name=f"any_{k}", kind="proportion", of=of[k], window_days=14) for k in KINDS]
    found += [Metric(name=f"n_{k}", kind="mean", of=of[k], window_days=14) for k in KINDS]
    buys = of["purchase"]
    found += [
        Metric(name="revenue", kind="mean", of=buys, value="sum_value", cap_quantile=0.999),
        Metric(name="revenue_7", kind="mean", of=buys, value="sum_value", window_days=7),
        Metric(
            name="click_rate", kind="ratio", of=of["click"], denominator={"of": of["item_view"]}
        ),
        Metric(name="order", kind="ratio", of=buys, value="sum_value", denominator={"of": buys}),
        Metric(name="depth", kind="mean", of=of["scroll"], value="metadata.depth"),
        Metric(name="back_1", kind="retention", day=1),
        Metric(name="back_7", kind="retention", day=7),
        Metric(name="p90", kind="quantile", quantile=0.9, of=buys, value="sum_value"),
    ]
    return found


def make_lake(spark: SparkSession, arguments: argparse.Namespace) -> tuple[DataFrame, DataFrame]:
    """Events of users over the days, as silver/events has them, and segments of all users."""
    n, users = arguments.events, arguments.users
    number = F.xxhash64("id")
    at = F.timestamp_micros(
        F.lit(int((START - datetime(1970, 1, 1)).total_seconds() * 1e6))
        + F.pmod(F.xxhash64("id", F.lit("at")), F.lit(DAYS * 86_400_000_000))
    )
    user = F.pmod(F.xxhash64("id", F.lit("u")), F.lit(users))
    kind = F.element_at(F.array(*map(F.lit, KINDS)), (F.pmod(number, F.lit(6)) + 1).cast("int"))
    plain = spark.range(n).select(
        F.col("id").cast("string").alias("event_id"),
        F.concat(F.lit("u"), user).alias("user_id"),
        at.alias("timestamp"),
        kind.alias("event_type"),
        F.when(kind == "purchase", F.pmod(number, F.lit(9000)) / 100.0).alias("value"),
        F.when(
            kind == "scroll",
            F.create_map(F.lit("depth"), F.pmod(number, F.lit(100)).cast("string")),
        )
        .otherwise(F.create_map(F.lit("page"), F.lit("home")))
        .alias("metadata"),
    )
    variant = F.element_at(
        F.array(*map(F.lit, VARIANTS)),
        (F.pmod(F.xxhash64("id", F.lit("v")), F.lit(4)) + 1).cast("int"),
    )
    shown = spark.range(users).select(
        F.concat(F.lit("x"), "id").alias("event_id"),
        F.concat(F.lit("u"), "id").alias("user_id"),
        F.timestamp_micros(
            F.unix_micros(F.lit(START)) + F.pmod(number, F.lit(5 * 86_400_000_000))
        ).alias("timestamp"),
        F.lit("exposure").alias("event_type"),
        F.lit(None).cast("double").alias("value"),
        F.create_map(
            F.lit("experiment"),
            F.lit("speed"),
            F.lit("variant"),
            variant,
            F.lit("decision_id"),
            F.lit("d"),
        ).alias("metadata"),
    )
    nothing = F.lit(None).cast("string")
    events = plain.unionByName(shown).withColumns(
        {
            "received_at": F.col("timestamp"),
            "anonymous_id": nothing,
            "session_id": nothing,
            "channel": F.lit("web"),
            "item_id": nothing,
            "context": F.struct(
                *(nothing.alias(c) for c in ("device_type", "os", "country", "campaign"))
            ),
        }
    )
    segment = F.concat(F.lit("groups-"), F.pmod(F.xxhash64("id", F.lit("s")), F.lit(SEGMENTS)))
    history = spark.range(users).select(
        F.concat(F.lit("u"), "id").alias("user_id"),
        segment.alias("segment_id"),
        F.lit("groups").alias("segmentation"),
        F.lit("entered").alias("change"),
        F.lit(START - timedelta(days=1)).alias("as_of"),
        F.lit(START - timedelta(days=1)).alias("assigned_at"),
    )
    found = []
    for name, frame in (("events", events), ("history", history)):
        place = str(arguments.lake / name)
        frame.write.format("delta").mode("overwrite").save(place)
        found.append(spark.read.format("delta").load(place))
    return found[0], found[1]


def clock(work: Callable[[], int]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
