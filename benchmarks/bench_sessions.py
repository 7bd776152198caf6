"""What comes next in a session: the session model beside item-to-item and popularity.

    python benchmarks/bench_sessions.py                     clicks and the bundled shop
    python benchmarks/bench_sessions.py --journey FOLDER    a grocer's baskets (completejourney)
    python benchmarks/bench_sessions.py --million           an index of a million sessions

Sessions are cut at 80 % of them by the time of their last event. Settings are those of
`recommend.sessions.space`, chosen on the latest tenth of the first part; the rest is asked once:
hit rate and MRR at 20, means over all events that another one follows. A shop's session is an
invoice, a grocer's a basket: their items have one time, and stand in order of their ids.

Clicks are the click stream of `sparkperso.testing`, its visitors and times, with items of known
structure (`walks`): a session goes along one of 300 trails of 20 items.

Writes benchmarks/results/sessions_<data>.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
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
ITEM_TYPES = ("item_view", "add_to_cart", "purchase")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journey", type=Path, metavar="FOLDER")
    parser.add_argument("--million", action="store_true")
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
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
    rng = np.random.default_rng(1)
    lengths = 1 + rng.geometric(0.25, MILLION).clip(max=50)
    items = walk_items(np.repeat(np.arange(MILLION), lengths), N_ITEMS, rng)
    names = pa.array([f"item-{item}" for item in range(N_ITEMS)])
    ids = pa.DictionaryArray.from_arrays(pa.array(items, pa.int32()), names).dictionary_decode()
    offsets = pa.array(np.append(0, lengths.cumsum()).astype(np.int32))
    table = {
        "session_id": pa.array([f"{n:032x}" for n in range(MILLION)]),
        "items": pa.ListArray.from_arrays(offsets, ids),
        "ended_at": pa.array(np.arange(MILLION) * 1_000_000, pa.timestamp("us", "UTC")),
    }
    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(f"{folder}/gold/session_index", pa.table(table))
        titles = {"item_id": pa.array([], pa.string()), "title": pa.array([], pa.string())}
        write_deltalake(f"{folder}/silver/items", pa.table(titles))
        del table, ids, offsets
        return asked(folder, items, lengths)


def asked(folder: str, items: np.ndarray, lengths: np.ndarray) -> dict:
    lake, before = open_lake(folder), resident_mb()
    with PeakMemory() as memory, one_thread():
        start = perf_counter()
        lake.next_items(["item-1"])
        loaded = perf_counter() - start
    starts = np.append(0, lengths.cumsum())
    micros = []
    for session in np.random.default_rng(2).integers(0, MILLION, 5000):
        recent = [f"item-{item}" for item in items[starts[session] : starts[session + 1]]]
        start = perf_counter()
        lake.next_items(recent, K)
        micros.append((perf_counter() - start) * 1e6)
    at = {f"p{p}": round(float(np.percentile(micros, p)), 1) for p in (50, 90, 99)}
    return {
        "sessions": MILLION,
        "events": len(items),
        "items": N_ITEMS,
        "load_seconds": round(loaded, 2),
        "rss_mb": {"before": round(before), "peak": round(memory.peak_mb)},
        "next_items_us": at,
    }


if __name__ == "__main__":
    main()
