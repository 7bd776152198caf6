"""Thompson sampling against even shares: regret, the best variant's share, exactness, time.

    python benchmarks/bench_bandits.py

Shops of two to ten variants whose click rates are known, 30 daily batches, 500 runs each, with and
without a floor of 5 %. Then how exact and how fast shares are, by integration and by draws. Prints
both tables and writes benchmarks/results/bandits.json.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np

from sparkperso.experiments.bandits.allocation import allocate, draw_shares
from sparkperso.experiments.bandits.posteriors import BetaPosterior
from sparkperso.experiments.bandits.regret import simulate_regret

RESULTS = Path(__file__).parent / "results"
SHOPS = {
    "2 variants, 10 % better": ([0.050, 0.055], 5_000),
    "3 variants, one 60 % better": ([0.05, 0.05, 0.08], 1_000),
    "4 variants, apart": ([0.03, 0.05, 0.07, 0.09], 500),
    "10 variants, one 20 % better": ([0.05] * 9 + [0.06], 5_000),
    "4 variants, all alike": ([0.05] * 4, 1_000),
}
N_BATCHES, N_RUNS = 30, 500


def main() -> None:
    regrets = []
    print(f"{'shop':32} {'floor':>6} {'even':>8} {'bandit':>8} {'±':>6} {'saved':>7} {'best':>6}")
    for name, (rates, batch_size) in SHOPS.items():
        for floor in (0.0, 0.05):
            found = simulate_regret(
                rates,
                n_batches=N_BATCHES,
                batch_size=batch_size,
                floor=floor,
                n_runs=N_RUNS,
                seed=1,
            )
            row = {
                "shop": name,
                "rates": rates,
                "units": N_BATCHES * batch_size,
                "floor": floor,
                "even_regret": round(float(found.uniform[-1]), 1),
                "regret": round(float(found.cumulative[-1]), 1),
                "standard_error": round(found.standard_error, 1),
                "saved": round(found.saved, 3),
                "best_share_last_day": round(found.best_share, 3),
            }
            regrets.append(row)
            print(
                f"{name:32} {floor:6.2f} {row['even_regret']:8.1f} {row['regret']:8.1f} "
                f"{row['standard_error']:6.1f} {row['saved']:7.1%} "
                f"{row['best_share_last_day']:6.1%}"
            )
    result = {
        "n_batches": N_BATCHES,
        "n_runs": N_RUNS,
        "regret": regrets,
        "shares": [exactness(n) for n in (2, 4, 20, 100)],
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }
    (RESULTS / "bandits.json").write_text(json.dumps(result, indent=1) + "\n")


def exactness(n_variants: int) -> dict[str, float]:
    """How far integration and draws are from ten times as many nodes, and how long they take."""
    rng = np.random.default_rng(n_variants)
    posteriors = {
        f"v{k}": BetaPosterior(float(a), 1000.0 - float(a))
        for k, a in enumerate(rng.integers(30, 60, n_variants))
    }
    exact = allocate(posteriors, n_nodes=40_000).shares
    row = {"variants": n_variants}
    calls = {
        "integrated": allocate,
        "drawn": lambda given: draw_shares(given, seed=1),
    }
    for name, call in calls.items():
        start = time.perf_counter()
        found = call(posteriors)
        row[f"{name}_ms"] = round(1000 * (time.perf_counter() - start), 2)
        row[f"{name}_stated_error"] = float(f"{found.error:.2g}")
        away = max(abs(found.shares[key] - exact[key]) for key in exact)
        row[f"{name}_error"] = float(f"{away:.2g}")
    print(row)
    return row


if __name__ == "__main__":
    main()
