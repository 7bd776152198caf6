"""From an event at the collector to the changed segments on an open page, by the whole chain.

    python benchmarks/bench_push.py [--events 20] [--people 500] [--rotate-seconds 1]

Collector, `ingest-events --stream` over its spool, `stream-segments` and the API are processes of
their own, on one machine with LMDB. Each time somebody new puts something into the cart, while
their page follows `GET /v1/stream`: the time is from before the POST until the page has the segment
that this leads into, by one clock. Events come at odd moments, so that no trigger waits for them.
Beside it stands when the event was on its way: handed over by the collector's spool, in
silver/events, in gold/segment_history. Prints seconds, and writes benchmarks/results/push.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from sparkperso.config import default_conf_dir, load_settings
from sparkperso.core.times import iso, now
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.api import running_api
from sparkperso.testing.collector import running_collector
from sparkperso.testing.serving import release, stored_list

RESULTS = Path(__file__).parent / "results"
KEY = ("local-server-key", "")
TOKEN = {"Authorization": "Bearer local-dev-token"}
RULES = """
kind: rules
segments:
  viewers: {when: {count: {event_type: item_view}, within_days: 7, at_least: 1}}
  carts: {when: {count: {event_type: add_to_cart}, within_days: 1, at_least: 1}}
described_by: [n_events]
"""
CARTS = "push-carts"
LONGEST_SECONDS = 120.0
TOO_MANY = "collect.limits.events_per_second_and_address=1e9"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--rotate-seconds", type=float, default=1.0)
    parser.add_argument("--warm-up", type=int, default=5, help="events that do not count")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pushed = measure(Path(name), arguments)
    seconds = [one["page"] for one in pushed]
    figures = {
        "events": len(seconds),
        "people": arguments.people,
        "rotate_seconds": arguments.rotate_seconds,
        "cores": len(os.sched_getaffinity(0)),
        "median": round(statistics.median(seconds), 2),
        "p90": round(statistics.quantiles(seconds, n=10)[-1], 2),
        "longest": round(max(seconds), 2),
        "medians": {
            stage: round(statistics.median(one[stage] for one in pushed), 2) for stage in pushed[0]
        },
        "load": round(os.getloadavg()[1], 1),
        "seconds": [round(one, 2) for one in seconds],
    }
    print(json.dumps(figures))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "push.json").write_text(json.dumps(figures, indent=2) + "\n")


def measure(folder: Path, arguments: argparse.Namespace) -> list[dict[str, float]]:
    """Returns the seconds of each event, by where it was then."""
    lake, conf = folder / "lake", folder / "conf"
    shutil.copytree(default_conf_dir(), conf)
    (conf / "segments" / "push.yaml").write_text(RULES)
    store = open_store(load_settings("local", lake=str(lake)))
    release(store, {"popular": {"global": stored_list(["i1", "i2"], "popularity")}})
    rotate = f"collect.spool.rotate_seconds={arguments.rotate_seconds}"
    with running_collector(lake, "--set", rotate, "--set", TOO_MANY) as collector:
        people = [f"old{number}" for number in range(arguments.people)]
        send(collector.url, [event(who, "item_view") for who in people])
        # The segment has somebody in it: of an empty one nobody is told before the next sweep.
        send(collector.url, [event(who, "add_to_cart") for who in people[:5]])
        time.sleep(2 * arguments.rotate_seconds + 1)
        run("ingest-events", lake, conf, "--source", "collector")
        with (
            following("ingest-events", lake, conf, "--source", "collector", "--stream"),
            following("stream-segments", lake, conf, *SEGMENTS),
            running_api(lake) as api,
        ):
            return list(pushes(collector.url, api.url, lake, arguments))


SEGMENTS = (
    "--set=segments.segmentations=[push]",
    "--set=segments.min_members=1",
    "--set=segments.live.overlay=true",
)


def pushes(
    collector: str, api: str, lake: Path, arguments: argparse.Namespace
) -> Iterator[dict[str, float]]:
    """Yields the seconds of each event; the first ones find everything cold, and do not count."""
    chance = random.Random(arguments.seed)
    for number in range(arguments.warm_up + arguments.events):
        time.sleep(chance.uniform(1, 4))
        started, seconds = push(collector, api, f"new{number}")
        stages = {
            "handed over": first_after(lake / "_spool" / "ready", started),
            "silver": first_after(lake / "silver" / "events" / "_delta_log", started),
            "history": first_after(lake / "gold" / "segment_history" / "_delta_log", started),
            "page": seconds,
        }
        print(number, {name: round(one, 2) for name, one in stages.items()}, flush=True)
        if number >= arguments.warm_up:
            yield stages


def first_after(folder: Path, started: float) -> float:
    """Returns the seconds until the first file of a folder that was written after a time."""
    files = [*folder.glob("*.json"), *folder.glob("*.jsonl")]
    return min(at for path in files if (at := path.stat().st_mtime) > started) - started


def push(collector: str, api: str, who: str) -> tuple[float, float]:
    """Has somebody lead themselves into the segment.

    Returns when (seconds since 1970), and the seconds until their page has it.
    """
    query, started = {"user_id": who}, 0.0
    with (
        httpx.Client(timeout=LONGEST_SECONDS) as page,
        page.stream("GET", f"{api}/v1/stream", params=query, headers=TOKEN) as stream,
    ):
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name != "data":
                continue
            if CARTS in json.loads(value)["segments"]:
                return started, time.time() - started
            if not started:
                # What is so now has come: the page is open.
                started = time.time()
                send(collector, [event(who, "add_to_cart")])
    raise SystemExit(f"{who}'s stream ended before the segment came")


def event(who: str, event_type: str) -> dict[str, str]:
    return {"user_id": who, "event_type": event_type, "timestamp": iso(now()), "item_id": "i1"}


def send(url: str, events: Sequence[dict[str, str]]) -> None:
    for start in range(0, len(events), 500):
        some = list(events[start : start + 500])
        answer = httpx.post(f"{url}/v1/events", json={"events": some}, auth=KEY, timeout=30)
        assert answer.json()["accepted"] == len(some), answer.text


def line_of(command: str, lake: Path, conf: Path, *options: str) -> list[str]:
    line = [sys.executable, "-m", "sparkperso.cli.main", command, "--lake", str(lake)]
    return [*line, "--conf-dir", str(conf), *options]


def run(command: str, lake: Path, conf: Path, *options: str) -> None:
    subprocess.run(line_of(command, lake, conf, *options), check=True, stdout=subprocess.DEVNULL)


@contextmanager
def following(command: str, lake: Path, conf: Path, *options: str) -> Iterator[None]:
    """Runs a stream until the block ends; begins once it follows."""
    stream = subprocess.Popen(
        line_of(command, lake, conf, *options), stdout=subprocess.PIPE, text=True
    )
    assert stream.stdout is not None
    try:
        for told in stream.stdout:
            print(told, end="", flush=True)
            if "Following" in told or "Stream" in told:
                break
        yield
    finally:
        stream.send_signal(signal.SIGTERM)
        print(stream.stdout.read(), end="", flush=True)
        stream.wait(120)


if __name__ == "__main__":
    main()
