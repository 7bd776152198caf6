"""Times the collector beside a bare ASGI echo of the same bodies on the same server, by wrk.

    python benchmarks/bench_collect.py             10 seconds a run, three rounds
    python benchmarks/bench_collect.py --seconds 3 --rounds 1

Consent is required and given, every event is scanned, pseudonyms and the default fsync are on. The
load comes from a second process (`apt-get install wrk`). Each round measures the echo and the
collector in turn. Prints requests per second and latencies in milliseconds, and writes
benchmarks/results/collect.json; the ratio is of the medians over the rounds.
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
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx

from sparkperso.testing.cluster import free_port
from sparkperso.testing.collector import running_collector, wait_for

RESULTS = Path(__file__).parent / "results"
USERS = 1000
KEY, SERVER_KEY = "benchmark-key", "benchmark-server-key"
EVENT = (
    '{"event_id":"\'..n..\'","user_id":"u\'..(n % 1000)..\'","event_type":"click",'
    '"timestamp":"2026-06-01T10:00:00.500Z","item_id":"85123A",'
    '"metadata":{"element":"buy now","text":"white hanging heart"EXTRA},'
    '"context":{"page_url":"https://shop.example/p/85123A","device_type":"mobile"}}'
)
SITE = (
    f"collect.sites.shop.write_key={KEY}",
    f"collect.sites.shop.server_key={SERVER_KEY}",
    "collect.sites.shop.consent=required",
)
SETS = (*SITE, "collect.limits.events_per_second=1e9")
OPTIONS = tuple(word for assignment in SETS for word in ("--set", assignment))
PERSONAL = ',"email":"ada@example.org"'
SCRIPT = """
local n = math.random(1000000000) * 1000
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {key}"
local function event() n = n + 1; return '{event}' end
function request() return wrk.format(nil, nil, nil, {body}) end
"""
SINGLE = "event()"
BATCH = (
    "(function() local t = {} for i = 1, 100 do t[i] = event() end return '{\"events\":['"
    " .. table.concat(t, ',') .. ']}' end)()"
)
ECHO = """
import sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, port=int(sys.argv[1]), http="httptools", loop="uvloop", access_log=False,
            log_level="warning", server_header=False, date_header=False, proxy_headers=False)
"""


def main() -> None:
    arguments = parse_arguments()
    if shutil.which("wrk") is None:
        sys.exit("This benchmark loads the servers by wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        rounds = [measure(Path(folder), arguments) for _ in range(arguments.rounds)]
    result = summary(rounds) | {
        "what": "requests per second and latencies (ms) of wrk, one thread, 64 connections "
        "(16 for batches of 100)",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "uvicorn": version("uvicorn"),
        "rounds": rounds,
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.name}.json").write_text(json.dumps(result, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="collect", help="of the file of results")
    return parser.parse_args()


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Returns what one round measured, by case."""
    found = {}
    with running_echo(folder) as url:
        found["echo, one event"] = load(url, folder, SINGLE, "", arguments.seconds)
    with running_collector(folder / "lake", *OPTIONS) as collector:
        give_consent(collector.url)
        for name, body, extra in (
            ("collector, one event", SINGLE, ""),
            ("collector, one event with an e-mail", SINGLE, PERSONAL),
            ("collector, batches of 100", BATCH, ""),
        ):
            found[name] = load(collector.url, folder, body, extra, arguments.seconds)
        collector.end()
        found["lines in the spool"] = {"count": sum(1 for _ in collector.lines())}
    shutil.rmtree(folder / "lake")
    return found


@contextmanager
def running_echo(folder: Path):
    port = free_port()
    (folder / "echo.py").write_text(ECHO)
    process = subprocess.Popen([sys.executable, str(folder / "echo.py"), str(port)])
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def give_consent(url: str) -> None:
    """Lets every user of the load agree to analytics."""
    said = {"purposes": {"analytics": True}, "policy_version": "1", "region": "DE"}
    events = [
        {
            "user_id": f"u{number}",
            "event_type": "consent",
            "timestamp": "2026-06-01T09:00:00Z",
            "metadata": said,
        }
        for number in range(USERS)
    ]
    for start in range(0, USERS, 500):
        body = {"events": events[start : start + 500]}
        answer = httpx.post(f"{url}/v1/events", json=body, auth=(SERVER_KEY, ""), timeout=30)
        assert answer.json()["accepted"] == 500, answer.text


def load(url: str, folder: Path, body: str, extra: str, seconds: int) -> dict[str, float]:
    """Returns wrk's figures; raises AssertionError when an answer was not 200."""
    script = folder / "load.lua"
    event = EVENT.replace("EXTRA", extra)
    script.write_text(SCRIPT.format(key=KEY, event=event, body=body))
    connections = 64 if body == SINGLE else 16
    line = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(script)]
    text = subprocess.run(
        [*line, f"{url}/v1/events"], capture_output=True, text=True, check=True
    ).stdout
    assert "Non-2xx" not in text, text
    return {
        "requests_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "p50": milliseconds(re.search(r"\s50%\s+(\S+)", text)[1]),
        "p99": milliseconds(re.search(r"\s99%\s+(\S+)", text)[1]),
        "worst": milliseconds(re.search(r"Latency\s+\S+\s+\S+\s+(\S+)", text)[1]),
    }


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    """Returns the figures of the README: medians over the rounds."""

    def median(case: str) -> float:
        return statistics.median(found[case]["requests_per_second"] for found in rounds)

    single = median("collector, one event")
    return {
        "echo_per_second": median("echo, one event"),
        "single_per_second": single,
        "share_of_echo": round(single / median("echo, one event"), 3),
        "single_with_email_per_second": median("collector, one event with an e-mail"),
        "events_per_second_in_batches": 100 * median("collector, batches of 100"),
        "single_p99_ms": max(found["collector, one event"]["p99"] for found in rounds),
        "single_worst_ms": max(found["collector, one event"]["worst"] for found in rounds),
    }


if __name__ == "__main__":
    main()
