"""Experiments over HTTP beside lists: /v1/decide, OpenFeature's protocol, what they cost lists.

    python benchmarks/bench_experiments.py                    100,000 users, LMDB

The store is that of bench_serve.py. Two servers run, one without experiments, one with four: two
flags of a payload each (one with a condition on the request), one that changes a slot, one that
compares lists. wrk (`apt-get install wrk`) gets as much as each gives, in turn, in several rounds:
lists without and with experiments, one experiment by /v1/decide, all of them, one flag by OFREP and
all flags. Prints requests per second, medians, and each as a share of lists without experiments;
then the seconds in which one process assigns a million ids. Writes
benchmarks/results/experiments.json.
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
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench_serve import TOKEN, publish, running_api
from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import record_start
from sparkperso.core.package import shipped
from sparkperso.core.times import now
from sparkperso.experiments.assignment.assign import place_of

RESULTS = Path(__file__).parent / "results"
EXPERIMENTS = {
    "one": "variants: {plain: {payload: false}, bold: {payload: true}}",
    "two": "variants: {a: {payload: {x: 1}}, b: {payload: {x: 2}}}\n"
    "where: {context: device_type, one_of: [mobile]}",
    "hero": "variants: {a: 1, b: {content: {hero: we-miss-you}}}",
    "lists": "variants: {own: {strategy: personal}, popular: {strategy: popularity}}\n"
    "coverage: 0.1",
}
LUA = """
local n = {start}
wrk.headers["Authorization"] = "Bearer {token}"
wrk.headers["Content-Type"] = "application/json"
function request()
  n = (n * 1103515245 + 12345) % 2147483648
  local id = "u" .. (n % {users})
  return {request}
end
"""
POST = 'wrk.format("POST", "%s", nil, \'%s\')'
LISTS = 'wrk.format("GET", "/v1/recommendations/" .. id .. "?n=20")'
REQUESTS = {
    "lists without experiments": LISTS,
    "lists": LISTS,
    "decide, one": POST % ("/v1/decide", '{"user_id":"\' .. id .. \'","experiments":["one"]}'),
    "decide, all": POST % ("/v1/decide", '{"user_id":"\' .. id .. \'"}'),
    "OFREP, one flag": POST
    % ("/ofrep/v1/evaluate/flags/one", '{"context":{"targetingKey":"\' .. id .. \'"}}'),
    "OFREP, all flags": POST
    % ("/ofrep/v1/evaluate/flags", '{"context":{"targetingKey":"\' .. id .. \'"}}'),
}
PLAIN = next(iter(REQUESTS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing: apt-get install wrk")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        limits = ("requests_per_second", "requests_per_second_and_address")
        sets = [f"security.limits.{name}=1e9" for name in limits]
        publish(folder, sets, arguments.users)
        conf = write_conf(folder)
        plain, _, _ = stack.enter_context(running_api(folder, sets))
        url, _, _ = stack.enter_context(running_api(folder, sets, "--conf-dir", str(conf)))
        rates: dict[str, list[float]] = {name: [] for name in REQUESTS}
        for number in range(arguments.rounds):
            for name, request in REQUESTS.items():
                place = plain if name == PLAIN else url
                rates[name].append(most(place, folder, request, number, arguments))
        seconds = assign_a_million(conf)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    result = {
        "what": f"{arguments.users:,} users, {len(EXPERIMENTS)} experiments, one process each",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg(),
        "requests_per_second": {name: [round(r) for r in found] for name, found in rates.items()},
        "share_of_lists": {n: round(rate / medians[PLAIN], 3) for n, rate in medians.items()},
        "seconds_to_assign_a_million": seconds,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "experiments.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def write_conf(folder: Path) -> Path:
    conf = folder / "conf"
    for kind in ("slots", "content", "rules"):
        shutil.copytree(shipped("conf") / kind, conf / kind)
    (conf / "experiments").mkdir()
    for name, text in EXPERIMENTS.items():
        head = "status: running\nstart: 2026-01-01\n"
        (conf / "experiments" / f"{name}.yaml").write_text(f"{head}{text}\n")
        record_start(load_experiment(name, conf), now(), conf)
    return conf


def most(url: str, folder: Path, request: str, number: int, arguments) -> float:
    script = folder / "load.lua"
    start = number * 7919 + 1
    text = LUA.replace("{start}", str(start)).replace("{token}", TOKEN)
    script.write_text(text.replace("{users}", str(arguments.users)).replace("{request}", request))
    line = ["wrk", "-t", "1", "-c", "32", "-d", f"{arguments.seconds}s", "-s", str(script), url]
    found = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in found:
        raise SystemExit(f"{request}\n{found}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", found)[1])


def assign_a_million(conf: Path) -> float:
    one = load_experiment("one", conf)
    ids = [f"u{number}" for number in range(1_000_000)]
    started = time.perf_counter()
    for unit in ids:
        place_of(one, unit)
    return round(time.perf_counter() - started, 2)


if __name__ == "__main__":
    main()
