"""How long each page of the dashboard takes, on the demo's lake and on one of 20 M events.

    python benchmarks/bench_dashboard.py --lake lake                     the demo's
    python benchmarks/bench_dashboard.py --synthetic FOLDER              20 M events, written once
    python benchmarks/bench_dashboard.py --synthetic FOLDER --events 1e6

Each page is asked for twice of a real process of `sparkperso dashboard`: at first nothing is kept
of any (the process is another for each page), then the same again. The synthetic lake takes 0.7 GB
and three minutes; FOLDER should be outside of the checkout. Exits with 1 where a page takes longer
than its limit: 2 seconds on a lake of under a million events, else 4. Writes
benchmarks/results/dashboard.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

from deltalake import DeltaTable

from dashboard_lake import write_lake
from sparkperso.testing.api import running_dashboard

RESULTS = Path(__file__).parent / "results" / "dashboard.json"
TOKEN = {"Authorization": "Bearer local-dev-token"}
PATHS = (
    *("/", "/funnel", "/funnel?days=90&unit=sessions", "/funnel?days=3660", "/kpis"),
    *("/experiments", "/segments", "/recommendations", "/people?user=USER", "/quality"),
    *("/freshness", "/runs", "/recommendations?format=parquet&table=items"),
)
SMALL, SHORT_SECONDS, LONG_SECONDS = 1_000_000, 2.0, 4.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lake", type=Path, help="A lake, such as the demo's.")
    parser.add_argument("--synthetic", type=Path, help="Where the large lake is, or is written.")
    parser.add_argument("--events", type=float, default=20e6)
    given = parser.parse_args()
    lakes = {}
    if given.lake:
        lakes["demo"] = given.lake
    if given.synthetic:
        if not given.synthetic.exists():
            write_lake(given.synthetic, int(given.events))
        lakes["synthetic"] = given.synthetic
    found = {name: measured(lake) for name, lake in lakes.items()}
    machine = {"cpus": os.cpu_count(), "python": platform.python_version()}
    RESULTS.write_text(json.dumps({"machine": machine, **found}, indent=1) + "\n")
    return 1 if any(lake["too_slow"] for lake in found.values()) else 0


def measured(lake: Path) -> dict[str, object]:
    n_events = DeltaTable(str(lake / "silver" / "events")).count()
    rows = DeltaTable(str(lake / "gold" / "recommendations")).to_pyarrow_dataset()
    user = rows.head(1)["user_id"][0].as_py()
    limit = SHORT_SECONDS if n_events < SMALL else LONG_SECONDS
    print(
        f"\n{n_events:,} events; at most {limit:g} s\n{'page':45} {'first':>8} {'again':>8}  peak"
    )
    pages, too_slow = {}, []
    for path in PATHS:
        with running_dashboard(lake) as dashboard:
            address = dashboard.url + path.replace("USER", user)
            first, again = seconds(address), seconds(address)
            status = Path(f"/proc/{dashboard.process.pid}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024
        pages[path] = {"first": round(first, 3), "again": round(again, 3), "peak_mb": peak}
        print(f"{path:45} {first:7.2f}s {again:7.2f}s  {peak} MB", flush=True)
        if first > limit:
            too_slow.append(path)
    return {"events": n_events, "pages": pages, "too_slow": too_slow}


def seconds(address: str) -> float:
    started = time.perf_counter()
    with urlopen(Request(address, headers=TOKEN), timeout=120) as answer:
        assert answer.status == 200
        answer.read()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
