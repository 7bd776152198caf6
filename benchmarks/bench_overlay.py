"""The collector with and without the overlay, at a fixed offered rate; and how soon a no is there.

    python benchmarks/bench_overlay.py [--rates 1000 3000] [--seconds 15] [--rounds 2]

Every event is an item_view of one of 1,000 people who agreed to analytics and personalisation, so
that with `collect.overlay` each of them is written to LMDB as well. Each round measures both, in
turn, at each rate; meanwhile somebody withdraws twice a second, and the time until the overlay has
that is taken. The load comes from a second process (`offered_load.py`). Prints milliseconds, and
writes benchmarks/results/overlay.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from sparkperso.core.times import iso, now
from sparkperso.services.stores.overlay import LmdbOverlay
from sparkperso.services.stores.records import CONSENTS
from sparkperso.testing.collector import running_collector

RESULTS = Path(__file__).parent / "results"
USERS = 1_000
SERVER, PAGE = ("local-server-key", ""), "local-dev-key"
SETS = (
    "collect.sites.local.consent=required",
    "collect.limits.events_per_second_and_address=1e9",
    "collect.limits.decisions_per_second_and_address=1e9",
    "collect.limits.events_per_second=1e9",
)
LOADER = Path(__file__).parent / "offered_load.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 3_000])
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    found = []
    for number in range(arguments.rounds):
        for rate in arguments.rates:
            for overlay in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    figures = measure(Path(folder), overlay, rate, arguments.seconds)
                found.append({"round": number, "rate": rate, "overlay": overlay, **figures})
                print(json.dumps(found[-1]), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "overlay.json").write_text(json.dumps(found, indent=2) + "\n")


def measure(folder: Path, overlay: bool, rate: int, seconds: int) -> dict:
    lake = folder / "lake"
    sets = (*SETS, f"collect.overlay={str(overlay).lower()}")
    options = [word for one in sets for word in ("--set", one)]
    with running_collector(lake, *options) as collector:
        decide(collector.url, [f"u{n}" for n in range(USERS)], True)
        requests = folder / "requests"
        requests.write_text("\n".join(views(2 * USERS)))
        url = urlsplit(collector.url)
        line = [sys.executable, LOADER, url.hostname, str(url.port), str(rate), str(seconds)]
        cpu = processor_seconds(collector.process.pid)
        with subprocess.Popen([*line, requests], stdout=subprocess.PIPE, text=True) as load:
            delays = withdrawals(collector.url, lake, load, overlay)
            figures = json.loads(load.communicate()[0])
        figures["cpu_us"] = round(
            1e6 * (processor_seconds(collector.process.pid) - cpu) / figures["sent"], 1
        )
        text = httpx.get(f"{collector.url}/metrics").text
        dropped = [line for line in text.splitlines() if "overlay_dropped_total" in line]
        figures["dropped"] = float(dropped[-1].split()[-1])
    shutil.rmtree(lake)
    if overlay and delays:
        figures |= {
            "withdrawals": len(delays),
            "withdrawn_p50": round(1000 * statistics.median(delays), 1),
            "withdrawn_worst": round(1000 * max(delays), 1),
        }
    return figures


def decide(url: str, people: list[str], granted: bool) -> None:
    said = {"purposes": {"analytics": True, "personalisation": granted}, "policy_version": "1"}
    for start in range(0, len(people), 500):
        events = [
            {"user_id": who, "event_type": "consent", "timestamp": iso(now()), "metadata": said}
            for who in people[start : start + 500]
        ]
        answer = httpx.post(f"{url}/v1/events", json={"events": events}, auth=SERVER, timeout=30)
        assert answer.json()["accepted"] == len(events), answer.text


def views(count: int) -> list[str]:
    """Returns requests, one a line; times are of now, as those of a page."""
    lines = []
    for n in range(count):
        event = {
            "user_id": f"u{n % USERS}",
            "event_type": "item_view",
            "timestamp": iso(now()),
            "item_id": f"i{n}",
            "context": {"page_url": "https://shop.example/p/1", "device_type": "mobile"},
        }
        body = json.dumps(event)
        head = (
            "POST /v1/events HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: application/json\\r\\n"
            f"Authorization: Bearer {PAGE}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
        )
        lines.append(head + body)
    return lines


def withdrawals(url: str, lake: Path, load: subprocess.Popen, is_told: bool) -> list[float]:
    """Has one person after the other withdraw while the load lasts; returns seconds of each."""
    overlay, delays, number = LmdbOverlay(lake / "_serving"), [], 0
    while load.poll() is None:
        who = f"w{number}"
        sender = threading.Thread(target=decide, args=(url, [who], False))
        started = time.monotonic()
        sender.start()
        address = (CONSENTS, f"user_id:{who}")
        while is_told and load.poll() is None and overlay.get_many([address]) == [None]:
            time.sleep(0.001)
        delays.append(time.monotonic() - started)
        sender.join()
        number += 1
        time.sleep(0.5)
    overlay.close()
    return delays[:-1]


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
