"""Times `publish` into LMDB and into a real Redis, side by side, and reads of what it published.

    python benchmarks/bench_publish.py                     200,000 users × 20 items
    python benchmarks/bench_publish.py --users 20000       fewer, for a first look

A lake of made-up lists is written first, which is not counted. Prints users per minute, bytes per
user, milliseconds of the switch, and reads per processor second, and writes
benchmarks/results/publish.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from random import Random

from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.jobs.publish.job import publish
from sparkperso.pipeline.job import Job
from sparkperso.platform.lake import Lake
from sparkperso.platform.session import build_session
from sparkperso.schemas import TABLES
from sparkperso.services.stores.factory import open_store
from sparkperso.services.stores.records import items_without, json_text, split_list
from sparkperso.testing.redis import redis_server

RESULTS = Path(__file__).parent / "results"
N_ITEMS, PLACES, READS = 5_000, 20, 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--name", default="publish", help="name of the result file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, redis_server(Path(scratch)) as redis:
        lake = f"{scratch}/lake"
        spark = build_session(load_settings(lake=lake))
        write_lake(Lake(spark, load_settings(lake=lake).lake), arguments.users)
        runs = {}
        for kind in ("lmdb", "redis"):
            own = [f"store.kind={kind}", f"store.redis.url={redis.url}"]
            runs[kind] = measure(spark, load_settings(lake=lake, assignments=own), arguments.users)
        spark.stop()
    result = {
        "what": f"{arguments.users:,} users × {PLACES} items published; Spark and store on one "
        "machine; reads in one process, processor seconds",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "runs": runs,
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.name}.json").write_text(json.dumps(result, indent=2) + "\n")


def write_lake(lake: Lake, users: int) -> None:
    """Lists of 20 of 5,000 items with titles, a profile, two segments and a decision per user."""
    spark, at = lake.spark, F.lit("2026-03-01T00:00:00Z").cast("timestamp")
    item = F.format_string("item%06d", F.pmod(F.xxhash64("id"), F.lit(N_ITEMS)))
    place = F.pmod(F.col("id"), F.lit(PLACES)).cast("int")
    user = F.format_string("user%08d", F.floor(F.col("id") / PLACES))
    lists = spark.range(users * PLACES).select(
        user.alias("user_id"),
        F.lit("new").alias("kind"),
        (place + 1).alias("rank"),
        item.alias("item_id"),
        F.round(1 / (place + 1.5), 6).alias("score"),
        F.lit("hybrid").alias("strategy"),
        F.concat(F.lit("because:"), item, F.lit(":31")).alias("reason"),
        F.lit("7").alias("model_version"),
        at.alias("generated_at"),
    )
    lake.writer("gold/recommendations").overwrite(lists)
    numbers = spark.range(N_ITEMS)
    items = numbers.select(
        F.format_string("item%06d", "id").alias("item_id"),
        F.format_string("A title of some length, number %d", "id").alias("title"),
        F.lit("Toys").alias("category"),
        F.array().cast("array<string>").alias("tags"),
        F.lit(9.5).alias("price"),
        F.from_json(F.lit("{}"), "map<string,string>").alias("attributes"),
        at.alias("first_seen_at"),
        F.from_json(F.lit("{}"), "title timestamp, category timestamp, price timestamp").alias(
            "seen_at"
        ),
    )
    # A column that is not made up is null.
    columns = TABLES["silver/items"].columns
    missing = [
        F.lit(None).cast(c.type).alias(c.name) for c in columns if c.name not in items.columns
    ]
    lake.writer("silver/items").overwrite(items.select("*", *missing))
    names = spark.range(users).select(F.format_string("user%08d", "id").alias("user_id"))
    profiles = names.select(
        "user_id",
        F.lit(1980).alias("birth_year"),
        F.lit("DE").alias("country"),
        F.from_json(F.lit('{"plan":"gold"}'), "map<string,string>").alias("attributes"),
        F.from_json(F.lit("{}"), "map<string,boolean>").alias("consents"),
        F.lit(False).alias("is_withdrawn"),
        F.lit(None).cast("timestamp").alias("withdrawn_at"),
        F.from_json(F.lit('{"kmeans":["kmeans-1"]}'), "map<string,array<string>>").alias(
            "segments"
        ),
        at.alias("as_of"),
    )
    lake.writer("gold/profiles").overwrite(profiles)
    members = names.select(
        "user_id",
        F.explode(F.array(F.lit("kmeans-1"), F.lit("kmeans-2"))).alias("segment_id"),
        F.lit("kmeans").alias("segmentation"),
        F.lit(False).alias("exclusive"),
        F.lit("A label").alias("label"),
        F.lit("kmeans").alias("kind"),
        F.lit(0.5).alias("distance"),
        F.lit("v").alias("model_version"),
        at.alias("assigned_at"),
    )
    lake.writer("gold/segments").overwrite(members)


def measure(spark, settings, users: int) -> dict[str, float]:
    started = time.monotonic()
    summary = publish(Job("publish", settings, spark, say=lambda line: None))
    seconds = time.monotonic() - started
    store = open_store(settings)
    opened = time.monotonic()
    with store.open(store.current()) as version:
        open_seconds = time.monotonic() - opened
        chance = Random(1)
        ids = [f"user{chance.randrange(users):08d}" for _ in range(READS)]
        excluded = {json_text(f"item{number:06d}") for number in range(3)}
        began, kept = time.process_time(), 0
        for user_id in ids:
            _, items = split_list(version.get("lists.new", user_id))
            kept += len(items_without(items, 10, excluded))
        reads = READS / (time.process_time() - began)
        files = version.manifest.files.values()
    store.close()
    found = {
        "users_per_minute": round(users / seconds * 60),
        "seconds": round(seconds, 1),
        "switch_ms": summary["switched in ms"],
        "open_ms": round(open_seconds * 1000, 1),
        "reads_per_processor_second": round(reads),
    }
    if files:
        found["bytes_per_user"] = round(sum(file.n_bytes for file in files) / users)
    return found


if __name__ == "__main__":
    main()
