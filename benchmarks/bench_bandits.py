"""Thompson sampling against even shares: regret, the best variant's share, exactness, time.

    python benchmarks/bench_bandits.py [--shops 20]

Shops of two to ten variants whose click rates are known, 30 daily batches, 500 runs each, with and
without a floor of 5 %, all days weighed alike or all trials; while rates stay, and while the level
of all of them falls or goes up and down. Then a bandit on the hero of so many simulated shops
(`sparkperso.simulation.bandit`) of 1,000 people and 28 days, where offers work for everybody, and
where they work in one country and do harm in the others: for everybody, and by country. Then how
exact and how fast shares are, by integration and by draws. Prints all tables and writes
benchmarks/results/bandits.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from sparkperso.config.experiments.simulation import SimulationConfig
from sparkperso.experiments.bandits.allocation import allocate, draw_shares
from sparkperso.experiments.bandits.posteriors import BetaPosterior
from sparkperso.experiments.bandits.regret import simulate_regret
from sparkperso.simulation.bandit import bandit_study, hero_bandit
from sparkperso.simulation.world import make_world

RESULTS = Path(__file__).parent / "results"
SHOPS = {
    "2 variants, 10 % better": ([0.050, 0.055], 5_000),
    "3 variants, one 60 % better": ([0.05, 0.05, 0.08], 1_000),
    "4 variants, apart": ([0.03, 0.05, 0.07, 0.09], 500),
    "10 variants, one 20 % better": ([0.05] * 9 + [0.06], 5_000),
    "4 variants, all alike": ([0.05] * 4, 1_000),
}
N_BATCHES, N_RUNS = 30, 500
LEVELS = {
    "steady": [1.0] * N_BATCHES,
    "falling": [float(level) for level in np.linspace(1.6, 0.4, N_BATCHES)],
    "weekends": [1.5 if day % 7 in (5, 6) else 0.8 for day in range(N_BATCHES)],
}
CASES = [
    ("steady", False, 0.0),
    ("steady", True, 0.0),
    *((level, weighs, 0.05) for level in LEVELS for weighs in (False, True)),
]
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
N_PEOPLE, N_ITEMS, N_DAYS = 1_000, 20, 28
WORLDS = {
    "offers work for all": {"hero": 0.4},
    "offers work in GB alone": {"hero": -0.4, "hero_countries": {"GB": 0.4}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shops", type=int, default=20)
    n_shops = parser.parse_args().shops
    regrets = []
    print(
        f"{'shop':32} {'level':9} {'days':>6} {'floor':>6} {'even':>8} {'bandit':>8} {'±':>6} "
        f"{'saved':>7} {'best':>6}"
    )
    for name, (rates, batch_size) in SHOPS.items():
        for level, weighs_days, floor in CASES:
            found = simulate_regret(
                rates,
                n_batches=N_BATCHES,
                batch_size=batch_size,
                floor=floor,
                levels=LEVELS[level],
                weighs_days=weighs_days,
                n_runs=N_RUNS,
                seed=1,
            )
            row = {
                "shop": name,
                "rates": rates,
                "units": N_BATCHES * batch_size,
                "level": level,
                "weighs_days": weighs_days,
                "floor": floor,
                "even_regret": round(float(found.uniform[-1]), 1),
                "regret": round(float(found.cumulative[-1]), 1),
                "standard_error": round(found.standard_error, 1),
                "saved": round(found.saved, 3),
                "best_share_last_day": round(found.best_share, 3),
            }
            regrets.append(row)
            print(
                f"{name:32} {level:9} {'alike' if weighs_days else '':>6} {floor:6.2f} "
                f"{row['even_regret']:8.1f} {row['regret']:8.1f} {row['standard_error']:6.1f} "
                f"{row['saved']:7.1%} {row['best_share_last_day']:6.1%}"
            )
    result = {
        "n_batches": N_BATCHES,
        "n_runs": N_RUNS,
        "regret": regrets,
        "simulated": [
            simulated(name, n_shops, by_country=by_country)
            for name in WORLDS
            for by_country in (False, True)
        ],
        "shares": [exactness(n) for n in (2, 4, 20, 100)],
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }
    (RESULTS / "bandits.json").write_text(json.dumps(result, indent=1) + "\n")


def simulated(name: str, n_shops: int, *, by_country: bool) -> dict[str, Any]:
    """What a bandit on the hero misses in simulated shops, against equal shares."""
    config = SimulationConfig.model_validate({"effects": WORLDS[name]})
    experiment = hero_bandit(START, by_country=by_country)
    missed, even = [], []
    for seed in range(n_shops):
        world = make_world(config, N_PEOPLE, N_ITEMS, 3_000_000 + seed)
        run = bandit_study(world, experiment, N_DAYS, START)
        missed.append(float(run.regret[-1]))
        even.append(float(run.uniform[-1]))
    saved = [1 - mine / theirs for mine, theirs in zip(missed, even, strict=True)]
    row = {
        "world": name,
        "by_country": by_country,
        "shops": n_shops,
        "even_regret": round(float(np.mean(even)), 1),
        "regret": round(float(np.mean(missed)), 1),
        "saved": round(1 - float(np.sum(missed) / np.sum(even)), 3),
        "saved_standard_error": round(float(np.std(saved, ddof=1) / np.sqrt(n_shops)), 3),
    }
    print(row, flush=True)
    return row


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
