"""Times ingest-events on the shop's order lines, its customers repeated under new ids.

    python benchmarks/bench_ingest.py                      5 M and 20 M rows, 4 GB driver
    python benchmarks/bench_ingest.py --rows 1_000_000 4_000_000 --more 100_000

Side by side in one session, after a warm-up of all: a plain Spark read and Delta write of the same
rows; the fair floor, which also makes each row JSON, hashes that and writes two tables, but asks no
rule; and ingest-events into an empty lake, for each size. Then the same few rows more into the
largest lake and into an empty one. Of each the seconds, and the processor seconds of the JVM, which
a busy machine changes less. Writes benchmarks/results/ingest.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.jobs.ingest_events import STEP
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
        into_full = timed(spark, lambda: ingest(spark, more, work / f"lake-{largest}")).seconds
        into_empty = timed(spark, lambda: ingest(spark, more, work / "lake-empty")).seconds
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


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: seconds, and processor seconds of the JVM."""

    seconds: float
    cpu: float


def timed(spark: SparkSession, work: Callable[[], None]) -> Cost:
    """Returns what `work` took."""
    process = spark._jvm.ProcessHandle.current().pid()
    cpu, started = cpu_seconds(process), time.perf_counter()
    work()
    return Cost(time.perf_counter() - started, cpu_seconds(process) - cpu)


def cpu_seconds(process: int) -> float:
    """Returns the processor seconds that a process has taken so far, as Linux counts them."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(spark: SparkSession, rows: int, first_copy: int, work: Path) -> dict[str, float]:
    """Returns the costs of the plain read and write, the floor and the ingest of the same rows."""
    place = make_rows(spark, rows, first_copy, work)
    n = spark.read.parquet(str(place)).count()
    plain = timed(spark, lambda: write_plain(spark, place, work / "plain"))
    floor = timed(spark, lambda: write_floor(spark, place, work / "floor"))
    ours = timed(spark, lambda: ingest(spark, place, work / f"lake-{rows}"))
    for name in ("plain", "floor"):
        shutil.rmtree(work / name)
    run = {
        "rows": n,
        "plain_s": round(plain.seconds, 1),
        "floor_s": round(floor.seconds, 1),
        "ingest_s": round(ours.seconds, 1),
        "ratio": round(ours.seconds / plain.seconds, 2),
        "ratio_to_floor": round(ours.seconds / floor.seconds, 2),
        "plain_cpu_s": round(plain.cpu, 1),
        "floor_cpu_s": round(floor.cpu, 1),
        "ingest_cpu_s": round(ours.cpu, 1),
        "cpu_ratio": round(ours.cpu / plain.cpu, 2),
        "cpu_ratio_to_floor": round(ours.cpu / floor.cpu, 2),
        "ingest_us_per_row": round(ours.seconds / n * 1e6, 2),
        "bronze_bytes_per_row": round(size_of(work / f"lake-{rows}/bronze/events") / n, 1),
        "silver_bytes_per_row": round(size_of(work / f"lake-{rows}/silver/events") / n, 1),
    }
    print(json.dumps(run), flush=True)
    return run


def size_of(table: Path) -> int:
    """Returns the bytes of a table's Parquet files."""
    return sum(file.stat().st_size for file in table.glob("*.parquet"))


def write_plain(spark: SparkSession, place: Path, target: Path) -> None:
    """Writes rows as a Delta table without spaces in its column names."""
    plain = spark.read.parquet(str(place)).withColumnRenamed("Customer ID", "CustomerID")
    plain.write.format("delta").mode("overwrite").save(str(target))


def write_floor(spark: SparkSession, place: Path, target: Path) -> None:
    """Writes rows as JSON with its hash, as bronze is, and their columns, as silver has them."""
    rows = spark.read.parquet(str(place)).withColumnRenamed("Customer ID", "CustomerID")
    payload = F.to_json(F.struct(*sorted(rows.columns)))
    bronze = rows.select(F.sha2(payload, 256).alias("record_id"), payload.alias("payload"))
    silver = rows.select(F.sha2(payload, 256).alias("event_id"), *rows.columns)
    for name, table, codec in (("bronze", bronze, "zstd"), ("silver", silver, "snappy")):
        writer = table.write.format("delta").mode("overwrite").option("compression", codec)
        writer.save(str(target / name))


def ingest(spark: SparkSession, place: Path, lake: Path) -> None:
    """Takes a folder in by ingest-events."""
    settings = load_settings(lake=str(lake))
    options = {"source": "online_retail", "path": str(place)}
    outcome = carry_out(STEP, Job(STEP.name, settings, spark, options))
    print(json.dumps({"ingest": place.name, **outcome.summary}), flush=True)


def write_result(runs: list[dict], extra: dict, arguments: argparse.Namespace) -> None:
    """Prints the figures and keeps them."""
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, driver {arguments.memory}",
        "load": [round(one, 1) for one in os.getloadavg()],
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
