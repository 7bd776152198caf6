"""Live segments: how long after its event's arrival an entry stands in gold/segment_history.

    python benchmarks/bench_live_segments.py [--users 100000] [--per-second 2000] [--seconds 180]

A lake is filled with a month of events of all users; then `stream-segments` runs in a process of
its own, and another adds a commit of events to silver/events each second (Parquet files that lie
ready, so that the feeder takes no part of the machine). The rules are those of conf/segments/
audiences.yaml and `carts`, into which an event of its own leads: an entry's delay is from the
commit of the user's first add_to_cart to the commit of the entry, by the clocks of the two logs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config import default_conf_dir, load_settings
from sparkperso.jobs import build_features
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.step import carry_out
from sparkperso.platform.lake import Lake, conform
from sparkperso.platform.session import build_session
from sparkperso.schemas import TABLES

RESULTS = Path(__file__).parent / "results"
START = datetime(2026, 6, 1, tzinfo=timezone.utc)
TYPES = ("page_view", "item_view", "item_view", "click", "purchase")
CARTS = """
  carts:
    when: {count: {event_type: add_to_cart}, within_days: 1, at_least: 1}
"""
PER_USER = 10
"""Events of the month before, for each user."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--per-second", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--warm-up", type=int, default=60, help="seconds that do not count")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lake = folder / "lake"
        write_rules(folder / "conf")
        spark = open_spark(lake)
        fill(spark, lake, arguments.users)
        ready = make_feed(spark, folder, arguments)
        spark.stop()
        arrivals = run(folder, lake, ready)
        spark = open_spark(lake)
        result = vars(arguments) | tell(spark, lake, arrivals, arguments.warm_up)
        spark.stop()
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "live_segments.json").write_text(json.dumps(result, indent=2) + "\n")


def open_spark(lake: Path) -> SparkSession:
    return build_session(load_settings(lake=str(lake)))


def write_rules(conf: Path) -> None:
    """Copies the configuration, and adds the rule that is measured."""
    shutil.copytree(default_conf_dir(), conf)
    path = conf / "segments" / "audiences.yaml"
    path.write_text(path.read_text().replace("\ndescribed_by:", f"{CARTS}\ndescribed_by:", 1))


def events(rows: DataFrame, prefix: str, when: str, kind: str) -> DataFrame:
    """Returns rows of silver/events of (id, user); `when` and `kind` are SQL expressions."""
    spec = TABLES["silver/events"]
    made = {
        "event_id": F.concat(F.lit(prefix), F.col("id").cast("string")),
        "user_id": F.concat(F.lit("u"), F.col("user").cast("string")),
        "session_id": F.concat_ws("-", F.lit("s"), F.col("user"), F.expr(f"date({when})")),
        "timestamp": F.expr(when),
        "event_type": F.expr(kind),
        "item_id": F.concat(F.lit("i"), F.pmod(F.xxhash64("id"), F.lit(2_000))),
        "value": F.when(F.expr(kind) == "purchase", F.round(F.rand(1) * 200, 2)),
        "channel": F.lit("web"),
    }
    columns = []
    for column in spec.columns:
        value = made.get(column.name, F.lit(None) if column.nullable else _empty(column.type))
        columns.append(value.cast(column.type).alias(column.name))
    return conform(rows.select(*columns), spec)


def _empty(kind: str) -> Column:
    if kind.startswith(("map", "struct")):
        return F.from_json(F.lit("{}"), kind)
    return F.lit(START.date() if kind == "date" else START if kind == "timestamp" else "0")


def fill(spark: SparkSession, lake: Path, users: int) -> None:
    """Writes a month of events, and the features."""
    rows = spark.range(users * PER_USER).withColumn("user", F.col("id") % users)
    when = "timestamp'2026-05-02' + make_interval(0,0,0,0,0,0, pmod(xxhash64(id), 2592000))"
    kinds = ", ".join(f"'{kind}'" for kind in TYPES)
    month = events(rows, "old-", when, f"array({kinds})[pmod(xxhash64(id, 1), {len(TYPES)})]")
    settings = load_settings(lake=str(lake))
    Lake(spark, settings.lake).writer("silver/events").append(month)
    carry_out(build_features.STEP, Job("build-features", settings, spark))


def make_feed(spark: SparkSession, folder: Path, arguments: argparse.Namespace) -> list[Path]:
    """Writes a Parquet file for each second; every tenth event is an add_to_cart."""
    seconds = arguments.seconds + arguments.warm_up
    rows = spark.range(seconds * arguments.per_second)
    rows = rows.withColumn("user", F.pmod(F.xxhash64("id"), F.lit(arguments.users)))
    second = f"CAST(id DIV {arguments.per_second} AS INT)"
    when = f"timestamp'{START:%Y-%m-%d}' + make_interval(0,0,0,0,0,0, {second})"
    kinds = ", ".join(f"'{kind}'" for kind in TYPES)
    kind = f"IF(id % 10 = 0, 'add_to_cart', array({kinds})[pmod(id, {len(TYPES)})])"
    feed = events(rows, "new-", when, kind)
    number = F.unix_timestamp("timestamp") - F.lit(int(START.timestamp()))
    parts = feed.withColumn("second", number.cast("int")).repartition(2, "second")
    parts.write.partitionBy("second").parquet(str(folder / "feed"))
    found = (sorted((folder / "feed" / f"second={n}").glob("*.parquet")) for n in range(seconds))
    return [files[0] for files in found]


def run(folder: Path, lake: Path, ready: list[Path]) -> dict[int, float]:
    """Starts the stream, feeds it, and stops it; returns the second → time of its commit."""
    line = [sys.executable, "-m", "sparkperso.cli.main", "stream-segments", "--lake", str(lake)]
    line += ["--conf-dir", str(folder / "conf")]
    line += ["--set", "segments.segmentations=[audiences]"]
    stream = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert stream.stdout is not None
    for told in stream.stdout:
        print(told, end="")
        if told.startswith("Following"):
            break
    arrivals = {}
    started = time.time()
    for number, file in enumerate(ready):
        time.sleep(max(0.0, started + number - time.time()))
        arrivals[number] = commit(lake / "silver" / "events", file)
    time.sleep(15)
    stream.send_signal(signal.SIGTERM)
    print(stream.stdout.read(), end="")
    stream.wait(120)
    return arrivals


def commit(table: Path, file: Path) -> float:
    """Adds a Parquet file to a Delta table; returns the time at which it was there."""
    name = f"part-{uuid4()}.parquet"
    os.link(file, table / name)
    logs = table / "_delta_log"
    version = max(int(path.stem) for path in logs.glob("*.json")) + 1
    now = time.time()
    add = {
        "path": name,
        "partitionValues": {},
        "size": file.stat().st_size,
        "modificationTime": round(now * 1000),
        "dataChange": True,
    }
    info = {"timestamp": round(now * 1000), "operation": "WRITE", "isBlindAppend": True}
    info |= {"operationParameters": {"mode": "Append", "partitionBy": "[]"}}
    draft = logs / f".{version}.draft"
    draft.write_text(json.dumps({"commitInfo": info}) + "\n" + json.dumps({"add": add}) + "\n")
    draft.rename(logs / f"{version:020}.json")
    return time.time()


def tell(spark: SparkSession, lake: Path, arrivals: dict[int, float], warm_up: int) -> dict:
    """Returns the delays of entries, of commits after the warm-up, and what came of the feed."""
    history = str(lake / "gold" / "segment_history")
    changes = spark.read.format("delta").option("readChangeFeed", "true")
    entries = changes.option("startingVersion", 0).load(history)
    entered = entries.where("segment_id = 'audiences-carts' AND change = 'entered'").select(
        "user_id", F.unix_millis("_commit_timestamp").alias("told")
    )
    silver = Lake(spark, load_settings(lake=str(lake)).lake).ref("silver/events").read()
    second = F.unix_timestamp("timestamp") - F.lit(int(START.timestamp()))
    carts = (
        silver.where("event_type = 'add_to_cart'")
        .groupBy("user_id")
        .agg(F.min(second).alias("second"))
    )
    rows = carts.join(entered, on="user_id", how="left").select("second", "told").collect()
    counted = [row for row in rows if row["second"] >= warm_up]
    delays = sorted(
        row["told"] / 1000 - arrivals[row["second"]] for row in counted if row["told"] is not None
    )
    return {
        "fed": silver.where(F.col("event_id").startswith("new-")).count(),
        "entries": len(delays),
        "not told": len(counted) - len(delays),
        "median seconds": round(statistics.median(delays), 2),
        "p95 seconds": round(delays[int(0.95 * len(delays))], 2),
        "longest seconds": round(delays[-1], 2),
        "fed for seconds": round(max(arrivals.values()) - min(arrivals.values()), 1),
    }


if __name__ == "__main__":
    main()
