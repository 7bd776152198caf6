"""The API over LMDB or Redis beside the same server that answers a constant of the same size.

    python benchmarks/bench_serve.py                          a million users × 20 items, LMDB
    python benchmarks/bench_serve.py --users 100000 --store redis

Lists are made up and published without Spark (bench_publish.py times that). Consent is assumed,
tokens are checked, decisions are logged, no rule for items counts. First wrk gets as much as both
give, in turn, three rounds (`apt-get install wrk`); then a second process offers a quarter and half
of the API's rate, each request at its own moment (offered_load.py). Prints requests per second, the
ratio of the medians, latencies in milliseconds, memory of the processes' own (Pss_Anon) and seconds
until it is ready; writes benchmarks/results/serve_<store>.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import httpx

from sparkperso.config import load_settings
from sparkperso.core.times import now
from sparkperso.services.stores.factory import open_store
from sparkperso.services.stores.manifest import Facts
from sparkperso.services.stores.records import make_list, record_key
from sparkperso.testing.cluster import free_port
from sparkperso.testing.redis import redis_server

RESULTS = Path(__file__).parent / "results"
N_ITEMS, PLACES = 50_000, 20
TOKEN = "local-dev-token"
CONSTANT = """
import sys
from sparkperso.config import load_settings
from sparkperso.services.serve.server import server_config
from sparkperso.services.http.headers import JSON_HEADERS
from sparkperso.services.http.process.server import Server
BODY = b"x" * int(sys.argv[2])
HEADERS = [*JSON_HEADERS, (b"content-length", b"%d" % len(BODY))]
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
Server(server_config(app, load_settings("local"), "127.0.0.1", int(sys.argv[1]))).run()
"""
WRK = """
local n = {start}
wrk.headers["Authorization"] = "Bearer {token}"
function request()
  n = (n * 1103515245 + 12345) % 2147483648
  return wrk.format("GET", "/v1/recommendations/u" .. (n % {users}) .. "?n=20")
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--store", choices=("lmdb", "redis"), default="lmdb")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--lake", type=Path, help="keeps the store there for the next run")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing: apt-get install wrk")
    with ExitStack() as stack:
        folder = arguments.lake or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sets = [f"store.kind={arguments.store}"]
        sets += ["security.limits.requests_per_second=1e9"]
        sets += ["security.limits.requests_per_second_and_address=1e9"]
        if arguments.store == "redis":
            server = stack.enter_context(redis_server(folder))
            sets.append(f"store.redis.url={server.url}")
        publish(folder, sets, arguments.users)
        result = measure(stack, folder, sets, arguments)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"serve_{arguments.store}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def publish(folder: Path, sets: list[str], users: int) -> None:
    settings = load_settings("local", None, sets, str(folder))
    store = open_store(settings)
    if store.current():
        return
    random = Random(42)
    items = [
        f'"item_id":"{n}","score":{random.random():.6f},'
        f'"reason":"because:{random.randrange(N_ITEMS)}:31","title":"ASSORTED COLOUR BIRD {n}"}}'
        for n in range(10_000, 10_000 + N_ITEMS)
    ]
    items = [item.encode() for item in items]

    def lists():
        for name in sorted(record_key(f"u{n}") for n in range(users)):
            chosen = random.sample(items, PLACES)
            rows = [b'{"rank":%d,%b' % (rank, row) for rank, row in enumerate(chosen, 1)]
            yield name, make_list(b'"strategy":"hybrid","model_version":"7"', rows)

    with store.draft() as draft:
        draft.write("lists.new", lists())
        rows = [b'{"rank":%d,%b' % (rank, row) for rank, row in enumerate(items[:50], 1)]
        popular = make_list(b'"strategy":"popularity"', rows)
        draft.write("popular", [(record_key("global"), popular)])
        draft.seal(Facts(read_at=now(), as_of=now(), model_version="7", lists_at=now()))
        store.release(draft, 1)


def measure(stack: ExitStack, folder: Path, sets: list[str], arguments) -> dict:
    url, pid, ready = stack.enter_context(running_api(folder, sets))
    body = httpx.get(f"{url}/v1/recommendations/u1?n=20", headers=bearer()).content
    constant = stack.enter_context(running_constant(len(body)))
    rates: dict[str, list[float]] = {"api": [], "constant": []}
    for number in range(arguments.rounds):
        for name, address in (("constant", constant), ("api", url)):
            rates[name].append(most(address, folder, arguments, number))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    offered = {}
    for share in (0.25, 0.5):
        rate = round(medians["api"] * share)
        offered[f"{rate} per second"] = offer(url, folder, rate, arguments)
    return {
        "what": f"{arguments.users:,} users × {PLACES} items, answers of {len(body):,} bytes",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg(),
        "ready_seconds": ready,
        "requests_per_second": {name: [round(r) for r in found] for name, found in rates.items()},
        "ratio_of_medians": round(medians["api"] / medians["constant"], 3),
        "offered": offered,
        "own_memory_mb": own_memory(pid),
    }


@contextmanager
def running_api(folder: Path, sets: list[str], *more: str):
    port = free_port()
    words = [word for one in sets for word in ("--set", one)]
    line = [sys.executable, "-m", "sparkperso", "serve", "--lake", str(folder), "--port", str(port)]
    started = time.perf_counter()
    process = subprocess.Popen([*line, *words, *more], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait(f"{url}/readyz")
        yield url, process.pid, round(time.perf_counter() - started, 2)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def running_constant(n_bytes: int):
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", CONSTANT, str(port), str(n_bytes)])
    try:
        wait(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"{url} does not answer")


def most(url: str, folder: Path, arguments, number: int) -> float:
    script = folder / "load.lua"
    script.write_text(WRK.format(start=number * 7919 + 1, token=TOKEN, users=arguments.users))
    line = ["wrk", "-t", "1", "-c", "32", "-d", f"{arguments.seconds}s", "-s", str(script), url]
    text = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text:
        raise SystemExit(text)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])


def offer(url: str, folder: Path, rate: int, arguments) -> dict:
    random, host = Random(7), url.rpartition(":")
    paths = folder / "requests.txt"
    paths.write_text(
        "\n".join(
            f"GET /v1/recommendations/u{random.randrange(arguments.users)}?n=20 HTTP/1.1\\r\\n"
            f"Host: x\\r\\nAuthorization: Bearer {TOKEN}\\r\\n\\r\\n"
            for _ in range(20_000)
        )
    )
    script = Path(__file__).with_name("offered_load.py")
    line = [sys.executable, str(script), "127.0.0.1", host[2], str(rate), "15", str(paths)]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def own_memory(pid: int) -> dict[str, float]:
    """MB that a process and its children hold for themselves: pages of files count for nobody."""
    found = {}
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in (str(pid), *children):
        text = Path(f"/proc/{one}/smaps_rollup").read_text()
        name = Path(f"/proc/{one}/cmdline").read_text().replace("\0", " ")[-40:].strip()
        found[f"{one} {name}"] = round(int(re.search(r"Pss_Anon:\s+(\d+)", text)[1]) / 1024, 1)
    return found


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"}


if __name__ == "__main__":
    main()
