"""What folding new users into ALS costs against a refit with them, on the bundled shop.

    python benchmarks/bench_fold_in.py

At the cut of 80 % of the rows, a tenth of the users (every tenth by id) is kept from training. They
are then folded in from their full histories, and compared with a refit on everybody: nDCG@10 of
these users on what they bought afterwards. Writes benchmarks/results/fold_in.json.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from bench_peers import bare, examine, shop
from sparkperso.config.recommend.models import AlsParams
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.scoring.ranking_blocks import judge_lists
from sparkperso.recommend.scoring.top_n import Selection, best_items

RESULTS = Path(__file__).parent / "results" / "fold_in.json"
EVERY = 10


def main() -> None:
    prepared = examine(shop(), 0.8, 1.0)
    is_new = np.arange(len(prepared.users)) % EVERY == 0
    asked = np.flatnonzero(is_new & (prepared.truth.counts > 0))
    known = prepared.users.take(np.flatnonzero(~is_new))
    found = {"new_users": int(is_new.sum()), "judged": len(asked)}
    for name, train in {"folded_in": known, "refitted": prepared.users}.items():
        start = time.perf_counter()
        model = fit_model(AlsParams(rank=64), train, bare(prepared))
        fitted = time.perf_counter()
        users = prepared.users.take(asked)
        lists = best_items(model, users, Selection(prepared.k, prepared.allowed))
        judged = judge_lists(lists, users, prepared.truth.take(asked)).means(
            prepared.criterion, prepared.users.n_items
        )
        found |= {
            f"{name}_ndcg_at_10": judged["ndcg_at_10"],
            f"{name}_fit_seconds": fitted - start,
            f"{name}_score_seconds": time.perf_counter() - fitted,
        }
    found["loss"] = 1 - found["folded_in_ndcg_at_10"] / found["refitted_ndcg_at_10"]
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
