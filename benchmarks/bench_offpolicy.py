"""Off-policy values on the Open Bandit data: each policy judged from the other one's log.

    python benchmarks/bench_offpolicy.py FOLDER

FOLDER holds the small edition of the Open Bandit Dataset (package obp, Apache-2.0), as
{random,bts}/{all,men,women}/*.csv. The random policy's log judges Thompson sampling, whose choices
at each position are those of its own log; the truth is what Thompson sampling earned. And the other
way round: its log, with its propensities, judges the random policy. Prints a line per campaign,
direction and estimator, and writes benchmarks/results/offpolicy.json.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

from sparkperso.experiments.offpolicy.estimators import doubly_robust, ips, snips
from sparkperso.experiments.offpolicy.logged import LoggedDecisions

RESULTS = Path(__file__).parent / "results"
COLUMNS = ["item_id", "position", "click", "propensity_score"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    rows = []
    print(f"{'campaign':9} {'judged':8} {'method':14} {'value':>8} {'low':>8} {'high':>8} "
          f"{'truth':>8} {'effective':>9}")  # fmt: skip
    for campaign in ("all", "men", "women"):
        logs = {
            policy: pd.read_csv(folder / policy / campaign / f"{campaign}.csv", usecols=COLUMNS)
            for policy in ("random", "bts")
        }
        for judged, logging in (("bts", "random"), ("random", "bts")):
            for row in judge(logs[judged], logs[logging]):
                rows.append({"campaign": campaign, "judged": judged, **row})
                print(
                    f"{campaign:9} {judged:8} {row['method']:14} {row['value']:8.5f} "
                    f"{row['low']:8.5f} {row['high']:8.5f} {row['truth']:8.5f} "
                    f"{row['effective_sample_size']:9.0f} {'✓' if row['is_covered'] else '!'} "
                    f"{row['status']}"
                )
    (RESULTS / "offpolicy.json").write_text(json.dumps(rows, indent=1) + "\n")


def judge(judged: pd.DataFrame, log: pd.DataFrame) -> list[dict]:
    n_items = int(max(judged.item_id.max(), log.item_id.max())) + 1
    n_positions = int(log.position.max())
    shape = (n_items, n_positions)
    counts = np.zeros(shape)
    np.add.at(counts, (judged.item_id, judged.position - 1), 1)
    choices = counts / counts.sum(axis=0)
    if judged.propensity_score.nunique() == 1:
        choices = np.full(shape, 1 / n_items)
    at = (log.item_id.to_numpy(), log.position.to_numpy() - 1)
    # A model of the first half predicts the second, and the other way round.
    predicted = np.zeros(len(log))
    expected = np.zeros(len(log))
    half = np.arange(len(log)) % 2
    for part in (0, 1):
        seen, use = half != part, half == part
        shown, clicked = np.zeros(shape), np.zeros(shape)
        np.add.at(shown, (at[0][seen], at[1][seen]), 1)
        np.add.at(clicked, (at[0][seen], at[1][seen]), log.click.to_numpy()[seen])
        overall = log.click.to_numpy()[seen].mean()
        rates = (clicked + 100 * overall) / (shown + 100)
        predicted[use] = rates[at[0][use], at[1][use]]
        expected[use] = (rates * choices).sum(axis=0)[at[1][use]]
    logged = LoggedDecisions(
        log.click.to_numpy(float),
        log.propensity_score.to_numpy(float),
        choices[at],
        predicted,
        expected,
    )
    truth = float(judged.click.mean())
    spread = math.sqrt(truth * (1 - truth) / len(judged))
    rows = []
    for method in (ips, snips, doubly_robust):
        found = method(logged)
        # The truth is a mean of 10,000 as well.
        reach = 1.96 * math.hypot(found.standard_error, spread)
        rows.append(
            {
                "method": found.method,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "truth": truth,
                "is_covered": abs(found.value - truth) <= reach,
                "effective_sample_size": found.effective_sample_size,
                "n": found.n,
                "status": found.status,
            }
        )
    return rows


if __name__ == "__main__":
    main()
