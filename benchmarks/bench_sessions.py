"""What comes next in a session: the session model beside item-to-item and popularity.

    python benchmarks/bench_sessions.py                     clicks and the bundled shop
    python benchmarks/bench_sessions.py --journey FOLDER    a grocer's baskets (completejourney)
    python benchmarks/bench_sessions.py --million           an index of a million sessions
    python benchmarks/bench_sessions.py --store             the same, published, from LMDB

Sessions are cut at 80 % of them by the time of their last event. Settings are those of
`recommend.sessions.space`, chosen on the latest tenth of the first part; the rest is asked once:
hit rate and MRR at 20, means over all events that another one follows. A shop's session is an
invoice, a grocer's a basket: their items have one time, and stand in order of their ids.

Clicks are the click stream of `sparkperso.testing`, its visitors and times, with items of known
structure (`walks`): a session goes along one of 300 trails of 20 items.

`--store` publishes the million by the job, with Spark in this process; a process of its own then
opens the version as a service does, and answers on one thread. `Pss_Anon` is the memory that it
shares with no other.

Writes benchmarks/results/sessions_<data>.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from sparkperso import open_lake
from sparkperso.config.recommend.sessions import SessionsConfig
from sparkperso.core.reporting import no_count
from sparkperso.core.threads import one_thread
from sparkperso.recommend.arrays.session_index import Sessions
from sparkperso.recommend.benchmark.memory import PeakMemory, resident_mb
from sparkperso.recommend.sessions.benchmark import choose, test_one
from sparkperso.recommend.sessions.judge import questions_of
from sparkperso.testing.clickstream import make_click_stream
from sparkperso.testing.sample import BUNDLED
from sparkperso.testing.walks import walk_items

RESULTS = Path(__file__).parent / "results"
K, CUT = 20, 0.8
N_CLICKED = 6000
"""Items of the click stream."""
MILLION, N_ITEMS = 1_000_000, 40_000
SERVE = """
import json, statistics, sys
from time import perf_counter, process_time

def own_mb():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return round(next(int(x.split()[1]) for x in lines if x.startswith("Pss_Anon:")) / 1024, 1)

from sparkperso.config import load_settings
from sparkperso.services.stores.factory import open_store

folder = sys.argv[1]
store = open_store(load_settings(lake=folder))
before, marks = own_mb(), [perf_counter()]
with store.open(store.current()) as version:
    marks.append(perf_counter())
    import sparkperso.services.stores.session_file
    marks.append(perf_counter())
    model = version.session_model()
    marks.append(perf_counter())
    opened, micros = own_mb(), []
    questions = json.load(open(f"{folder}/questions.json"))
    asking = own_mb() - opened
    model.next_items(questions[0], 20)
    marks.append(perf_counter())
    began = process_time()
    for recent in questions:
        start = perf_counter()
        model.next_items(recent, 20)
        micros.append((perf_counter() - start) * 1e6)
    ended = process_time()
cuts = statistics.quantiles(micros, n=100)
steps = [round((b - a) * 1000, 2) for a, b in zip(marks, marks[1:])]
print(json.dumps({
    "open_version_ms": steps[0], "import_ms": steps[1], "open_index_ms": steps[2],
    "next_items_us": {f"p{p}": round(cuts[p - 1], 1) for p in (50, 90, 99)},
    "processor_us": round((ended - began) / len(questions) * 1e6, 1),
    "pss_anon_mb": {"before": before, "opened": opened, "answered": own_mb() - round(asking, 1)},
}))
"""
"""What a process that serves does, and nothing else: its memory is its own."""
ITEM_TYPES = ("item_view", "add_to_cart", "purchase")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journey", type=Path, metavar="FOLDER")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--store", action="store_true")
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if arguments.store:
        keep("store", store())
        return
    if arguments.million:
        keep("million", million())
    elif arguments.journey:
        keep("grocer", compared(grocer(arguments.journey)))
    else:
        keep("clicks", compared(clicks()))
        keep("shop", compared(shop()))


def keep(name: str, result: dict) -> None:
    print(name, json.dumps(result, indent=2))
    (RESULTS / f"sessions_{name}.json").write_text(json.dumps(result, indent=2) + "\n")


def compared(events: pd.DataFrame) -> dict:
    """Returns the figures of every model on session, item, at."""
    sessions = packed(events)
    cut = round(CUT * len(sessions))
    earlier, later = sessions.part(0, cut), sessions.part(cut, len(sessions))
    questions = questions_of(later)
    best = choose(SessionsConfig().space, earlier, SessionsConfig(), K, no_count)
    counts = {"sessions": len(sessions), "items": sessions.n_items, "questions": len(questions)}
    models = []
    for params, validation in best.values():
        entry, _ = test_one(params, earlier, questions, K)
        models.append({**entry, "validation": validation})
    return {**counts, "models": models}


def packed(events: pd.DataFrame) -> Sessions:
    events = events.sort_values(["session", "at", "item"], kind="stable")
    events = events.assign(last=events.groupby("session")["at"].transform("max"))
    events = events.sort_values(["last", "session"], kind="stable")
    items, ids = pd.factorize(events["item"], sort=True)
    session = events["session"].to_numpy()
    starts = np.flatnonzero(np.append(True, session[1:] != session[:-1]))
    return Sessions(items.astype(np.int32), np.append(starts, len(items)), len(ids))


def clicks(n_users: int = 1500, days: int = 60) -> pd.DataFrame:
    stream = make_click_stream(n_users=n_users, days=days)
    events = pd.DataFrame(stream.events)[["user_id", "timestamp", "event_type"]]
    events = events.sort_values(["user_id", "timestamp"], kind="stable")
    lengths = [s.n_events for _, user in sorted(stream.truth.items()) for s in user.sessions]
    events["session"] = np.repeat(np.arange(len(lengths)), lengths)
    events = events[events["event_type"].isin(ITEM_TYPES)]
    at = pd.to_datetime(events["timestamp"], format="ISO8601").astype("int64")
    items = walk_items(events["session"].to_numpy(), N_CLICKED, np.random.default_rng(7))
    return pd.DataFrame({"session": events["session"], "at": at, "item": items})


def shop() -> pd.DataFrame:
    frame = pd.read_parquet(BUNDLED)
    frame = frame[frame["Quantity"] > 0]
    columns = {"session": frame["Invoice"], "item": frame["StockCode"]}
    rows = pd.DataFrame(columns).astype(str)
    return rows.assign(at=pd.to_datetime(frame["InvoiceDate"]).astype("int64"))


def grocer(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / "transactions_sample.parquet")
    frame = frame[frame["quantity"] > 0]
    columns = {"session": frame["basket_id"], "item": frame["product_id"]}
    rows = pd.DataFrame(columns).astype(str)
    return rows.assign(at=pd.to_datetime(frame["transaction_timestamp"]).astype("int64"))


def million() -> dict:
    """Returns how long a lake of a million sessions takes to load and to answer, one thread."""
    with tempfile.TemporaryDirectory() as folder:
        questions, counts = write_million(folder)
        titles = {"item_id": pa.array([], pa.string()), "title": pa.array([], pa.string())}
        write_deltalake(f"{folder}/silver/items", pa.table(titles))
        return {**counts, **asked(folder, questions)}


def write_million(folder: str) -> tuple[list[list[str]], dict[str, int]]:
    """Writes gold/session_index; returns 5,000 of its sessions, and what it holds."""
    rng = np.random.default_rng(1)
    lengths = 1 + rng.geometric(0.25, MILLION).clip(max=50)
    items = walk_items(np.repeat(np.arange(MILLION), lengths), N_ITEMS, rng)
    names = pa.array([f"item-{item}" for item in range(N_ITEMS)])
    ids = pa.DictionaryArray.from_arrays(pa.array(items, pa.int32()), names).dictionary_decode()
    starts = np.append(0, lengths.cumsum())
    ended_at = pa.array(np.arange(MILLION) * 1_000_000, pa.timestamp("us", "UTC"))
    table = {
        "session_id": pa.array([f"{n:032x}" for n in range(MILLION)]),
        "items": pa.ListArray.from_arrays(pa.array(starts.astype(np.int32)), ids),
        "n_events": pa.array(lengths.astype(np.int64)),
        "began_at": ended_at,
        "ended_at": ended_at,
    }
    write_deltalake(f"{folder}/gold/session_index", pa.table(table))
    questions = [
        [f"item-{item}" for item in items[starts[session] : starts[session + 1]]]
        for session in np.random.default_rng(2).integers(0, MILLION, 5000)
    ]
    return questions, {"sessions": MILLION, "events": len(items), "items": N_ITEMS}


def asked(folder: str, questions: list[list[str]]) -> dict:
    lake, before = open_lake(folder), resident_mb()
    with PeakMemory() as memory, one_thread():
        start = perf_counter()
        lake.next_items(["item-1"])
        loaded = perf_counter() - start
    return {
        "load_seconds": round(loaded, 2),
        "rss_mb": {"before": round(before), "peak": round(memory.peak_mb)},
        "next_items_us": percentiles(lake.next_items, questions),
    }


def percentiles(next_items: Callable[[list[str], int], object], questions: list[list[str]]) -> dict:
    micros = []
    for recent in questions:
        start = perf_counter()
        next_items(recent, K)
        micros.append((perf_counter() - start) * 1e6)
    return {f"p{p}": round(float(np.percentile(micros, p)), 1) for p in (50, 90, 99)}


def store() -> dict:
    """Returns how long a million sessions take to publish, to open and to answer from LMDB."""
    with tempfile.TemporaryDirectory() as folder:
        questions, counts = write_million(folder)
        (Path(folder) / "questions.json").write_text(json.dumps(questions))
        published = publish_million(folder)
        line = [sys.executable, "-c", SERVE, folder]
        found = subprocess.run(line, capture_output=True, text=True, check=True)
        return {**counts, **published, **json.loads(found.stdout)}


def publish_million(folder: str) -> dict:
    from sparkperso.config import load_settings
    from sparkperso.jobs.publish.job import publish
    from sparkperso.pipeline.job import Job
    from sparkperso.platform.session import build_session

    # A version needs lists or popular items.
    popular = {"scope": ["global"], "rank": pa.array([1], pa.int32()), "item_id": ["item-1"]}
    write_deltalake(
        f"{folder}/gold/popular_items",
        pa.table({**popular, "score": [1.0], "window": ["all"]}),
    )
    settings = load_settings(lake=folder)
    spark = build_session(settings)
    with PeakMemory() as memory:
        start = perf_counter()
        summary = publish(Job("publish", settings, spark, say=lambda line: None))
        seconds = perf_counter() - start
    spark.stop()
    (path,) = Path(folder).glob("_serving/versions/*/sessions.arrays")
    return {
        "publish_seconds": round(seconds, 1),
        "publish_peak_rss_mb": round(memory.peak_mb),
        "switch_ms": summary["switched in ms"],
        "file_mb": round(path.stat().st_size / 2**20, 1),
    }


if __name__ == "__main__":
    main()
