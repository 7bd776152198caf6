"""Fifty rules in one plan beside one plain aggregation of the same windows.

    python benchmarks/bench_rules.py [--users 1000000] [--events 20000000] [--rounds 2]

Events are made up and written as Parquet first. The plain aggregation is one groupBy of the users
with the same conditions and windows, nothing else; the rules are compiled, evaluated, and their
members counted. With `sequences`, ten of the rules are sequences. Prints seconds of both, side by
side in each round, and writes benchmarks/results/rules.json; ratios are of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.metrics.filters import fits
from sparkperso.platform.session import build_session
from sparkperso.rules.conditions import Condition
from sparkperso.segments.rules.behaviour import AT, since, until
from sparkperso.segments.rules.measures import all_measures, of_events
from sparkperso.segments.rules.members import KEYS, People, fulfilled
from sparkperso.users.persons import Persons

RESULTS = Path(__file__).parent / "results"
AS_OF = datetime(2026, 6, 30, 10, 30, tzinfo=timezone.utc)
TYPES = ("page_view", "item_view", "click", "add_to_cart", "purchase")
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    spark = build_session(load_settings(assignments=["spark.driver_memory=6g"]))
    with tempfile.TemporaryDirectory() as folder:
        make_events(spark, arguments.users, arguments.events, folder)
        people = read_people(spark, folder)
        cases = {
            "plain": partial(plain, people),
            "rules": partial(members, people, rules(50, 0)),
            "with sequences": partial(members, people, rules(40, 10)),
        }
        timed(cases["plain"])  # the first reader warms Spark and the files' cache up
        rounds = [
            {name: timed(case) for name, case in cases.items()} for _ in range(arguments.rounds)
        ]
    medians = {name: statistics.median(found[name] for found in rounds) for name in cases}
    result = {
        "users": arguments.users,
        "events": arguments.events,
        **medians,
        "rules to plain": round(medians["rules"] / medians["plain"], 2),
        "with sequences to plain": round(medians["with sequences"] / medians["plain"], 2),
        "rounds": rounds,
    }
    print(json.dumps(result, indent=2))
    (RESULTS / "rules.json").write_text(json.dumps(result, indent=2) + "\n")


def rules(n_plain: int, n_sequences: int) -> dict[str, Condition]:
    """Returns rules of one or two measures each, over several types and windows."""
    found = {}
    for number in range(n_plain):
        kind, days = TYPES[number % 5], (1, 7, 30, 90)[number % 4]
        counted = {"count": {"event_type": kind}, "within_days": days, "at_least": 1 + number % 3}
        spent = {"sum_value": {"event_type": "purchase"}, "within_days": days, "at_least": number}
        last = {"days_since_last": {"event_type": kind}, "at_most": days}
        both = [counted, (spent, last)[number % 2]]
        found[f"r{number}"] = CONDITION.validate_python({"all": both})
    for number in range(n_sequences):
        told = {
            "first": {"event_type": TYPES[number % 4]},
            "then": {"event_type": "purchase"},
            "within_days": 1 + number % 3,
            "happens": number % 2 == 0,
            "in_last_days": 30,
            "same": "item_id",
        }
        found[f"s{number}"] = CONDITION.validate_python({"sequence": told})
    return found


def make_events(spark: SparkSession, n_users: int, n_events: int, folder: str) -> None:
    """Writes events of ninety days and one row of features per user."""
    seed = F.xxhash64("id")
    at = F.lit(AS_OF.timestamp()) - F.pmod(seed, F.lit(90 * 86_400))
    kinds = F.array(*[F.lit(kind) for kind in TYPES])
    user = F.pmod(F.xxhash64("id", F.lit(1)), F.lit(n_users))
    kind = F.get(kinds, F.pmod(F.xxhash64("id", F.lit(2)), F.lit(5)).cast("int"))
    context = "struct<device_type:string,os:string,country:string,campaign:string>"
    spark.range(n_events).select(
        F.concat(F.lit("u"), user).alias("user_id"),
        F.timestamp_seconds(at).alias("timestamp"),
        kind.alias("event_type"),
        F.lit("web").alias("channel"),
        F.concat(F.lit("s"), F.shiftright("id", 2)).alias("session_id"),
        F.concat(F.lit("i"), F.pmod(seed, F.lit(5000))).alias("item_id"),
        F.when(kind == "purchase", F.pmod(seed, F.lit(100)).cast("double")).alias("value"),
        F.lit(None).cast(context).alias("context"),
        F.lit(None).cast("map<string,string>").alias("metadata"),
        F.col("id").cast("string").alias("event_id"),
    ).write.parquet(f"{folder}/events")
    users = spark.range(n_users).select(F.concat(F.lit("u"), "id").alias("user_id"))
    users.write.parquet(f"{folder}/users")


def read_people(spark: SparkSession, folder: str) -> People:
    """Returns what the rules are asked about."""
    users, events = (spark.read.parquet(f"{folder}/{name}") for name in ("users", "events"))
    return People(users, Persons(events), AS_OF)


def plain(people: People) -> DataFrame:
    """Returns the same windows, added up by hand in one aggregation."""
    measures = all_measures(rules(50, 0).values())
    events = until(people.events, AS_OF).withColumn(AT, F.unix_micros("timestamp"))
    sums = [
        of_events(m, fits(m.wanted) & since(m, AS_OF)).alias(name) for m, name in measures.items()
    ]
    return events.groupBy("user_id").agg(*sums)


def members(people: People, wanted: dict[str, Condition]) -> DataFrame:
    """Returns (user_id, key) of everybody whose rules hold."""
    return fulfilled(people, wanted).select("user_id", F.explode(KEYS))


def timed(case) -> float:
    """Returns the seconds that a frame takes to be worked out and thrown away."""
    started = time.perf_counter()
    case().write.format("noop").mode("overwrite").save()
    return round(time.perf_counter() - started, 2)


if __name__ == "__main__":
    main()
