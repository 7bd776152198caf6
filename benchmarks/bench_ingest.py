"""Times ingest-events on the shop's order lines, its customers repeated under new ids.

    python benchmarks/bench_ingest.py                      5 M and 20 M rows, 4 GB driver
    python benchmarks/bench_ingest.py --rows 1_000_000 4_000_000 --more 100_000

Side by side in one session, after a warm-up of both: a plain Spark read and Delta write of the same
rows, and ingest-events into an empty lake, for each size; then the same few rows more into the
largest lake and into an empty one. Writes benchmarks/results/ingest.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import time
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.jobs.ingest_events.batch import STEP
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.step import carry_out
from sparkperso.platform.session import build_session
from sparkperso.testing.sample import BUNDLED

RESULTS = Path(__file__).parent / "results"
WARM_UP = 400_000
SHOP_ROWS = 417_534  # with a customer


def main() -> None:
    arguments = parse_arguments()
    settings = load_settings(assignments=[f"spark.driver_memory={arguments.memory}"])
    spark = build_session(settings)
    work = Path(arguments.work).resolve()
    try:
        measure(spark, WARM_UP, 900, work)
        runs = [measure(spark, rows, 0, work) for rows in arguments.rows]
        largest = arguments.rows[-1]
        more = make_rows(spark, arguments.more, 500, work)
        into_full = ingest(spark, more, work / f"lake-{largest}")
        into_empty = ingest(spark, more, work / "lake-empty")
        extra = {
            "rows": arguments.more,
            "into_full_s": round(into_full, 1),
            "into_empty_s": round(into_empty, 1),
            "ratio": round(into_full / into_empty, 2),
        }
        write_result(runs, extra, arguments)
    finally:
        spark.stop()
        shutil.rmtree(work, ignore_errors=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000_000, 20_000_000])
    parser.add_argument("--more", type=int, default=500_000)
    parser.add_argument("--memory", default="4g", help="heap of the driver")
    parser.add_argument("--work", default="/tmp/sparkperso-bench-ingest")
    return parser.parse_args()


def make_rows(spark: SparkSession, rows: int, first_copy: int, work: Path) -> Path:
    """Writes about `rows` order lines as Parquet: whole copies of the shop under new ids."""
    place = work / f"rows-{rows}-{first_copy}"
    shop = spark.read.parquet(str(BUNDLED)).where(F.col("Customer ID").isNotNull())
    copies = spark.range(first_copy, first_copy + max(1, round(rows / SHOP_ROWS)), 1, 8)
    number = F.regexp_extract("Invoice", r"(\d+)$", 1).cast("long") + F.col("id") * 1_000_000
    lines = copies.crossJoin(F.broadcast(shop)).select(
        F.concat(F.regexp_extract("Invoice", r"^(\D*)", 1), number.cast("string")).alias("Invoice"),
        *("StockCode", "Description", "Quantity", "InvoiceDate", "Price"),
        (F.col("Customer ID") + F.col("id") * 100_000).alias("Customer ID"),
        "Country",
    )
    lines.write.mode("overwrite").parquet(str(place))
    return place


def measure(spark: SparkSession, rows: int, first_copy: int, work: Path) -> dict[str, float]:
    """Returns seconds of the plain read and write, and of the ingest, of the same rows."""
    place = make_rows(spark, rows, first_copy, work)
    n = spark.read.parquet(str(place)).count()
    plain = plain_write(spark.read.parquet(str(place)), work / "plain")
    ours = ingest(spark, place, work / f"lake-{rows}")
    run = {
        "rows": n,
        "plain_s": round(plain, 1),
        "ingest_s": round(ours, 1),
        "ratio": round(ours / plain, 2),
        "ingest_us_per_row": round(ours / n * 1e6, 2),
    }
    print(json.dumps(run), flush=True)
    return run


def plain_write(rows: DataFrame, place: Path) -> float:
    """Returns the seconds of writing rows as a Delta table without spaces in its column names."""
    started = time.perf_counter()
    plain = rows.withColumnRenamed("Customer ID", "CustomerID")
    plain.write.format("delta").mode("overwrite").save(str(place))
    seconds = time.perf_counter() - started
    shutil.rmtree(place)
    return seconds


def ingest(spark: SparkSession, place: Path, lake: Path) -> float:
    """Returns the seconds of ingest-events of a folder."""
    settings = load_settings(lake=str(lake))
    options = {"source": "online_retail", "path": str(place)}
    started = time.perf_counter()
    outcome = carry_out(STEP, Job(STEP.name, settings, spark, options))
    seconds = time.perf_counter() - started
    print(json.dumps({"ingest": place.name, **outcome.summary}), flush=True)
    return seconds


def write_result(runs: list[dict], extra: dict, arguments: argparse.Namespace) -> None:
    """Prints the figures and keeps them."""
    result = {
        "machine": f"{platform.machine()}, 2 cores, driver {arguments.memory}",
        "runs": runs,
        "cost_per_row_ratio": round(
            runs[-1]["ingest_us_per_row"] / runs[0]["ingest_us_per_row"], 2
        ),
        "adding_more": extra,
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
