"""What comes next in a session, over HTTP, at a fixed rate: POST /v1/next of a million sessions.

    python benchmarks/bench_next.py                   1,000 requests per second, two workers, LMDB
    python benchmarks/bench_next.py --rate 500 --sessions 100000

Sessions are made up (`testing.walks`); the index has the default settings, and is published
without Spark. A second process sends requests of visitors with two to nine items, each at its own
moment (offered_load.py). Serenade's paper (SIGMOD 2022) has a p90 under 7 ms at 1,000 requests per
second on two virtual processors. Prints latencies in milliseconds, and the processor's share that
the server used; writes benchmarks/results/next.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench_grpc import cpu_seconds
from bench_serve import RESULTS, TOKEN, own_memory, running_api
from sparkperso.config import load_settings
from sparkperso.config.recommend.sessions import SessionKnnParams
from sparkperso.recommend.registered.session_model import session_model
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.serving import release, stored_list
from sparkperso.testing.walks import walk_items

N_ITEMS, QUESTIONS, SECONDS = 40_000, 5_000, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sets = ["security.limits.requests_per_second=1e9"]
        questions = publish(folder, arguments.sessions)
        url, pid, _ = stack.enter_context(
            running_api(folder, sets, "--workers", f"{arguments.workers}")
        )
        requests = folder / "requests.txt"
        requests.write_text("\n".join(map(request, questions)))
        offer(url, requests, arguments.rate, 5)
        before = cpu_seconds(pid)
        found = offer(url, requests, arguments.rate, SECONDS)
        result = {
            "sessions": arguments.sessions,
            "rate": arguments.rate,
            "workers": arguments.workers,
            **found,
            "processor_share": round((cpu_seconds(pid) - before) / SECONDS, 2),
            "own_memory_mb": own_memory(pid),
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
        }
    (RESULTS / "next.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def publish(folder: Path, n_sessions: int) -> list[list[str]]:
    """Publishes the index of so many sessions; returns the beginnings of some as questions."""
    rng = np.random.default_rng(1)
    lengths = 1 + rng.geometric(0.25, n_sessions).clip(max=50)
    items = walk_items(np.repeat(np.arange(n_sessions), lengths), N_ITEMS, rng)
    names = pa.array([f"item-{item}" for item in range(N_ITEMS)])
    ids = pa.DictionaryArray.from_arrays(pa.array(items, pa.int32()), names).dictionary_decode()
    starts = np.append(0, lengths.cumsum())
    table = pa.table(
        {
            "session_id": [f"{n:032x}" for n in range(n_sessions)],
            "items": pa.ListArray.from_arrays(pa.array(starts.astype(np.int32)), ids),
            "ended_at": pa.array(np.arange(n_sessions) * 1_000_000, pa.timestamp("us", "UTC")),
        }
    )
    settings = load_settings("local", lake=str(folder))
    store = open_store(settings)
    model = session_model(table, SessionKnnParams())
    records = {
        "popular": {"global": stored_list(["item-1"], "popularity")},
        "items": {
            f"item-{item}": json.dumps({"title": f"Item {item}", "category": "things"}).encode()
            for item in range(N_ITEMS)
        },
    }
    release(store, records, model)
    store.close()
    chosen = np.random.default_rng(2).integers(0, n_sessions, QUESTIONS)
    return [[f"item-{item}" for item in items[starts[one] : starts[one + 1]]][:9] for one in chosen]


def request(recent: list[str]) -> str:
    body = json.dumps({"recent": recent, "n": 20})
    head = f"POST /v1/next HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer {TOKEN}\\r\\n"
    head += f"Content-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
    return head + body


def offer(url: str, requests: Path, rate: float, seconds: float) -> dict:
    script, port = Path(__file__).with_name("offered_load.py"), url.rpartition(":")[2]
    line = [sys.executable, str(script), "127.0.0.1", port, str(rate), str(seconds), str(requests)]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
