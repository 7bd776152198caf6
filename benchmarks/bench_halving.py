"""Successive halving beside the full search: the shipped space on a catalogue of 42,000 items.

    python benchmarks/bench_halving.py                     both, two folds (an hour on two cores)
    python benchmarks/bench_halving.py --models als_implicit --folds 1 --share 0.25
    python benchmarks/bench_halving.py --journey FOLDER    a grocer's 20,902 items instead

The data are `large_data.made`, or a share of its size with the candidates of the whole, cut as
training does; nothing of the last fifth is looked at. Prints
seconds, peak memory and, of each model, what either search chose and what that is worth on the
folds in full. Writes benchmarks/results/halving_<data>.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np

from large_data import made
from peer_data import Rows, examine, journey
from sparkperso.config import load_settings
from sparkperso.config.recommend.data_size import DataSize
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.recommend.benchmark.memory import PeakMemory
from sparkperso.recommend.fit.driver_folds import DriverFold
from sparkperso.recommend.fit.fit_strategy import Engine, make_fitter
from sparkperso.recommend.fit.trial import Broadcasts
from sparkperso.recommend.tune.search import Search, SearchPlan
from sparkperso.recommend.tune.search_space import candidates
from sparkperso.recommend.tune.tuning import best_by_model

RESULTS = Path(__file__).parent / "results"
CUTS = ((0.6, 0.7), (0.7, 0.8))


@dataclass(frozen=True)
class Held:
    """What Spark's broadcast of a search holds, in this process."""

    value: Broadcasts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journey", type=Path, metavar="FOLDER")
    parser.add_argument("--models", help="Names, separated by commas.")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="Of users, items and pairs.")
    parser.add_argument("--only", choices=("halved", "full"))
    arguments = parser.parse_args()
    rows = journey(arguments.journey) if arguments.journey else large(arguments.share)
    folds = [fold_of(rows, n) for n in range(2 - arguments.folds, 2)]
    pairs = folds[-1].in_memory.users.pairs
    n_users = int((np.diff(pairs.indptr) > 0).sum())
    size = DataSize(n_users, pairs.shape[1], pairs.nnz)
    config = load_settings().recommend
    # Of a share: the candidates of the whole.
    whole = DataSize(*(round(n / arguments.share) for n in (n_users, size.n_items, size.n_pairs)))
    space = candidates(config, whole)
    if arguments.models:
        space = [one for one in space if one.model in arguments.models.split(",")]
    rungs = config.search.halving.rungs
    ways = {"halved": rungs, "full": ()}
    found = {
        name: searched(space, folds, rows, plan, config)
        for name, plan in ways.items()
        if arguments.only in (None, name)
    }
    result = {
        "what": f"{size.n_items:,} items × {size.n_users:,} users, {size.n_pairs:,} pairs; "
        f"{len(space)} candidates, {len(folds)} folds",
        **found,
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    name = "grocer" if arguments.journey else "large"
    (RESULTS / f"halving_{name}.json").write_text(json.dumps(result, indent=2) + "\n")


def large(share: float) -> Rows:
    sizes = {"n_users": 30_000, "n_items": 42_000, "n_pairs": 1_060_000}
    return made(**{name: round(size * share) for name, size in sizes.items()})


def fold_of(rows: Rows, number: int) -> DriverFold:
    held = examine(rows, *CUTS[number])
    # Stands for Spark's hash of the user: any that is the same for the same user.
    hashes = np.random.default_rng(1).integers(2**62, size=len(held.users))
    fold: Any = SimpleNamespace(name=f"fold_{number + 1}")
    return DriverFold(fold, held, hashes)


def searched(space, folds, rows, rungs, config) -> dict[str, Any]:
    fitter = make_fitter(config, rows.catalogue, Engine("kernel", "", in_driver=True))
    allowed = {n: fold.allowed for n, fold in enumerate(folds)}
    criterion = folds[0].criterion
    held: Any = Held(Broadcasts(rows.catalogue, allowed, criterion, fitter.setting))
    plan = SearchPlan(2, rungs)
    search = Search(folds, held, plan, NullRecorder(), print, criterion.name, fitter)
    start = perf_counter()
    with PeakMemory() as memory:
        trials = search.run(space)
    seconds = perf_counter() - start
    best = best_by_model(trials, criterion.name)
    return {
        "seconds": round(seconds, 1),
        "peak_mb": round(memory.peak_mb),
        "best": {
            model: {
                criterion.name: one.mean[criterion.name],
                **one.params.model_dump(exclude_defaults=True, exclude={"model"}),
                "fit_seconds": round(one.mean["fit_seconds"], 1),
                "score_seconds": round(one.mean["score_seconds"], 1),
            }
            for model, one in best.items()
        },
    }


if __name__ == "__main__":
    main()
