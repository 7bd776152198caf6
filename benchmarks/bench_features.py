"""Times build-features on the shop's events, its customers repeated under new ids.

    python benchmarks/bench_features.py                        5 M and 20 M events, 4 GB driver
    python benchmarks/bench_features.py --events 500_000 1_000_000

Prints the cost per event of each size and their ratio, and writes benchmarks/results/features.json.
Sessions are left to be derived, which is the dearer case.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.jobs.build_features import STEP
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.step import carry_out
from sparkperso.platform.session import build_session
from sparkperso.schemas import TABLES

SHOP = Path(__file__).parent.parent / "src/sparkperso/data/online_retail_2009_2010.parquet"
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    arguments = parse_arguments()
    settings = load_settings(assignments=[f"spark.driver_memory={arguments.memory}"])
    spark = build_session(settings)
    shop = shop_events(spark).persist()
    warm_up(spark, shop, arguments)
    runs = [measure(spark, shop, n, arguments) for n in arguments.events]
    result = summarise(runs, arguments)
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.name}.json").write_text(json.dumps(result, indent=2) + "\n")
    spark.stop()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, nargs="+", default=[5_000_000, 20_000_000])
    parser.add_argument("--memory", default="4g", help="heap of the driver")
    parser.add_argument("--lake", type=Path, default=Path("/tmp/sparkperso-bench-features"))
    parser.add_argument("--name", default="features", help="name of the result file")
    parser.add_argument("--set", dest="assignments", action="append", default=[])
    return parser.parse_args()


def shop_events(spark: SparkSession) -> DataFrame:
    """Order lines that name a customer, as silver/events without ids and sessions."""
    lines = spark.read.parquet(str(SHOP)).withColumnRenamed("Customer ID", "customer")
    lines = lines.where(F.col("customer").isNotNull())
    texts = {"order_id": "Invoice", "quantity": "Quantity", "title": "Description"}
    metadata = [part for k, c in texts.items() for part in (F.lit(k), F.col(c).cast("string"))]
    return lines.select(
        F.col("customer").cast("double").cast("bigint").cast("string").alias("user_id"),
        moment(lines).alias("timestamp"),
        F.when(F.col("Quantity") > 0, "purchase").otherwise("refund").alias("event_type"),
        F.upper(F.col("StockCode").cast("string")).alias("item_id"),
        F.abs(F.col("Quantity") * F.col("Price")).cast("double").alias("value"),
        F.map_filter(F.create_map(*metadata), lambda _, v: v.isNotNull()).alias("metadata"),
        F.monotonically_increasing_id().alias("line"),
    ).repartition(8)


def moment(lines: DataFrame) -> F.Column:
    """Parquet of pandas holds nanoseconds, which this session reads as numbers."""
    if lines.schema["InvoiceDate"].dataType.simpleString() == "bigint":
        return F.timestamp_micros(F.expr("InvoiceDate div 1000"))
    return F.col("InvoiceDate").cast("timestamp")


def repeated(spark: SparkSession, shop: DataFrame, n_events: int) -> DataFrame:
    """About `n_events` events: the shop's, as often as needed, each time by other customers."""
    copies = max(1, round(n_events / shop.count()))
    again = shop.crossJoin(F.broadcast(spark.range(copies).withColumnRenamed("id", "copy")))
    known = {
        "event_id": F.sha2(F.concat_ws("-", "line", "copy"), 256),
        "user_id": F.concat_ws("-", "user_id", "copy"),
        "received_at": F.col("timestamp"),
        "channel": F.lit("web"),
        "currency": F.lit("GBP"),
        "context": F.struct(
            F.lit("desktop").alias("device_type"),
            *(F.lit(None).cast("string").alias(n) for n in ("os", "country", "region")),
            *(F.lit(None).cast("string").alias(n) for n in ("page_url", "referrer", "campaign")),
        ),
        "schema_version": F.lit(1),
        "event_date": F.to_date("timestamp"),
        "event_key": F.xxhash64("line", "copy"),
        "ingest_batch": F.lit("bench"),
    }
    types = {field.name: field.dataType for field in TABLES["silver/events"].struct()}
    kept = [n for n in types if n in again.columns and n not in known]
    rows = again.select(*kept, *(column.alias(name) for name, column in known.items()))
    missing = [F.lit(None).cast(t).alias(n) for n, t in types.items() if n not in rows.columns]
    return rows.select("*", *missing)


def warm_up(spark: SparkSession, shop: DataFrame, arguments: argparse.Namespace) -> None:
    """The first run pays for the compilation of everything; it is not counted."""
    measure(spark, shop, 1, arguments)


def measure(
    spark: SparkSession, shop: DataFrame, n_events: int, arguments: argparse.Namespace
) -> dict[str, float]:
    lake = arguments.lake / str(n_events)
    shutil.rmtree(lake, ignore_errors=True)
    settings = load_settings(assignments=arguments.assignments, lake=str(lake))
    job = Job("bench-features", settings, spark, say=lambda line: None)
    job.writer("silver/events").overwrite(repeated(spark, shop, n_events))
    n_written = job.lake.ref("silver/events").read().count()
    started, cpu_before = time.perf_counter(), cpu_seconds(spark)
    summary = carry_out(STEP, job).summary
    seconds, cpu = time.perf_counter() - started, cpu_seconds(spark) - cpu_before
    shutil.rmtree(lake, ignore_errors=True)
    print(f"{n_written:,} events: {seconds:.1f} s, {summary}", file=sys.stderr, flush=True)
    return {
        "events": n_written,
        "users": summary["users"],
        "seconds": round(seconds, 2),
        "microseconds_per_event": round(seconds / n_written * 1e6, 3),
        "cpu_seconds": round(cpu, 2),
        "cpu_microseconds_per_event": round(cpu / n_written * 1e6, 3),
    }


def cpu_seconds(spark: SparkSession) -> float:
    """What the JVM has computed so far: unlike wall time, other processes hardly change it."""
    process = spark._jvm.java.lang.ProcessHandle.current().info()
    return process.totalCpuDuration().get().toMillis() / 1000


def summarise(runs: list[dict[str, float]], arguments: argparse.Namespace) -> dict[str, object]:
    costs = [run["microseconds_per_event"] for run in runs]
    work = [run["cpu_microseconds_per_event"] for run in runs]
    return {
        "what": "build-features: interactions, user features, scaled features",
        "driver_memory": arguments.memory,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "runs": runs,
        "cost_ratio": round(costs[-1] / costs[0], 3),
        "cpu_cost_ratio": round(work[-1] / work[0], 3),
    }


if __name__ == "__main__":
    main()
