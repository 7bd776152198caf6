"""Seconds that a script waits for: the import, a lake's first answer, later ones, an explanation.

    python benchmarks/bench_python.py LAKE

on a lake that `sparkperso demo` or `run` has filled. Each figure is the median of five processes; a
later answer is the median of all users' lists, one by one. Prints JSON; opens no Spark.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Any

CODE = """
import json, sys, time
start = time.perf_counter()
import sparkperso
imported = time.perf_counter()
lake = sparkperso.open_lake(sys.argv[1])
users = lake.table("gold/recommendations", ["user_id"]).column(0).unique().to_pylist()
listed = time.perf_counter()
again = sparkperso.open_lake(sys.argv[1])
first = again.recommend(users[0])
answered = time.perf_counter()
later = []
for user in users:
    began = time.perf_counter()
    again.recommend(user)
    later.append(time.perf_counter() - began)
later.sort()
began = time.perf_counter()
again.explain(users[0], first[0].item_id)
explained = time.perf_counter()
again.explain(users[1], again.recommend(users[1])[0].item_id)
print(json.dumps({
    "import_seconds": imported - start,
    "open_and_first_answer_seconds": answered - listed + imported - start,
    "later_answer_ms": 1000 * later[len(later) // 2],
    "slowest_later_answer_ms": 1000 * later[-1],
    "first_explanation_seconds": explained - began,
    "later_explanation_seconds": time.perf_counter() - explained,
    "users": len(users),
}))
"""


def measured(lake: str) -> dict[str, Any]:
    """Returns the figures of one process."""
    command = [sys.executable, "-c", CODE, lake]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    runs = [measured(sys.argv[1]) for _ in range(5)]
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    print(json.dumps({name: round(value, 4) for name, value in medians.items()}, indent=2))
