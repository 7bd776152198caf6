"""Models on a large catalogue side by side: quality, seconds and memory, each in its own process.

    python benchmarks/bench_large.py                              42,000 items made (large_data.py)
    python benchmarks/bench_large.py --journey FOLDER             a grocer's 20,902 items
    python benchmarks/bench_large.py --shop                       the bundled shop, EASE too
    python benchmarks/bench_large.py --train FILE --test FILE     a split of yours
    python benchmarks/bench_large.py --only graph_filter item_knn

Every model, ours and the library `implicit`'s, is tuned over its grid by nDCG@10 on a validation
that is cut from the training part: the tenth of the rows before the cut at 80 %, or a tenth of the
pairs of a split without times; a quarter of its users are asked. It is then fitted on the training
part and asked once. New items only. Figures are means over the users with an answer; beside them
stand what `graph_filter` and `sparse_ease` gain over each, paired, with 95 % intervals of a
bootstrap over users.
`fit_seconds` is one fit with the chosen settings on all cores, `list_seconds` lists of 20 for all
users with a history, in two threads, `peak_mb` the memory of the whole process while it does both.
Load averages are written down: times on a busy machine are too long. Each model is written to
benchmarks/results/large_<data>.json as soon as it is done.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from large_data import given, made
from peer_data import examine, journey, shop
from sparkperso.config.recommend.models import parse_params
from sparkperso.core.threads import one_thread, together
from sparkperso.evaluate.bootstrap import bootstrap_interval
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.benchmark.implicit_baseline import ImplicitParams, fit_implicit
from sparkperso.recommend.benchmark.memory import PeakMemory
from sparkperso.recommend.fit.trial import FoldInMemory
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting, Scorer
from sparkperso.recommend.models.recency_prior import with_prior
from sparkperso.recommend.scoring.ranking_blocks import user_values
from sparkperso.recommend.scoring.top_n import Lists, Selection, best_items
from sparkperso.testing.models import bare_catalogue

RESULTS = Path(__file__).parent / "results"
SEED, N, PARTS = 42, 20, 2
BASES = ("graph_filter", "sparse_ease")
GRIDS: dict[str, list[dict[str, Any]]] = {
    "graph_filter": [
        {"user_exponent": a, "low_pass": w, "n_neighbours": 200}
        for a, w in ((0.5, 0.3), (0.5, 0.6), (0.75, 0.3), (1.0, 0.3))
    ],
    "sparse_ease": [{"reg_param": r, "n_neighbours": 100} for r in (300, 1000)],
    "ease": [{"reg_param": r} for r in (300, 1000)],
    "item_knn": [
        {"similarity": s, "n_neighbours": n}
        for s, n in (("bm25", 50), ("bm25", 200), ("cosine", 200))
    ],
    "popularity": [{"window_days": days} for days in (None, 7, 30)],
    "implicit_bm25": [
        {"K": k, "K1": 1.2, "B": b} for k, b in ((50, 0.5), (200, 0.25), (200, 0.75))
    ],
    "implicit_als": [
        {"factors": f, "regularization": r, "alpha": 1.0, "iterations": 10}
        for f, r in ((64, 1.0), (64, 10.0), (64, 60.0), (512, 1.0), (512, 10.0))
    ],
    "als_implicit": [
        {"rank": rank, "reg_param": r, "alpha": 1.0, "max_iter": 8}
        for rank, r in ((64, 0.1), (64, 0.3), (512, 0.1), (512, 0.3))
    ],
}
HALF_LIVES = (None, 30.0)
"""Half-lives of the recency prior in days, tried with every setting of a personal model of ours."""
EVERY = 4
"""Settings are tried on every so many-th user of the validation."""


def main() -> None:
    arguments = parse_arguments()
    if arguments.one:
        measure(arguments)
        return
    path = RESULTS / f"large_{label(arguments)}.json"
    found: dict[str, Any] = {}
    values: dict[str, np.ndarray] = {}
    names = arguments.only or [name for name in GRIDS if name != "ease" or arguments.shop]
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            figures = ask(name, Path(folder))
            values[name] = np.load(Path(folder) / "values.npy")
        for base in BASES:
            if base in values and name != base:
                gain = values[base] - values[name]
                interval = bootstrap_interval(np.ones(len(gain)), gain, 2000, 0.95, SEED)
                figures[f"gain_of_{base}"] = str(interval)
        found[name] = figures
        print(f"{name:14}", json.dumps(figures), flush=True)
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**before, **found}, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journey", type=Path)
    parser.add_argument("--shop", action="store_true")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(GRIDS))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if (arguments.train is None) != (arguments.test is None):
        parser.error("--train and --test go together")
    return arguments


def label(arguments: argparse.Namespace) -> str:
    if arguments.train:
        return arguments.train.stem
    if arguments.shop:
        return "shop"
    return "grocer" if arguments.journey else "made"


def split(arguments: argparse.Namespace) -> tuple[FoldInMemory, FoldInMemory, Catalogue]:
    """Returns (validation, test, catalogue)."""
    if arguments.train:
        validation, test = given(arguments.train, arguments.test)
        ids = np.arange(test.users.n_items).astype(str).astype(object)
        return validation, test, bare_catalogue(ids)
    rows = shop() if arguments.shop else None
    rows = rows or (journey(arguments.journey) if arguments.journey else made())
    return examine(rows, 0.7, 0.8), examine(rows, 0.8, 1.0), rows.catalogue


def ask(name: str, folder: Path) -> dict[str, Any]:
    """Returns a model's figures, measured in a process of its own."""
    command = [sys.executable, __file__, *sys.argv[1:], "--one", name, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> None:
    """Tunes one model, fits it, makes lists; prints its figures, saves nDCG@10 per user."""
    name, folder = arguments.one
    validation, test, catalogue = split(arguments)
    # Compiled before the clock runs.
    few = validation.training.take(slice(0, 50))
    lists_of(fit(name, GRIDS[name][0], None, few, catalogue), few, validation)
    (settings, half_life), tried = tuned(name, validation, catalogue)
    load = os.getloadavg()[0]
    with PeakMemory() as memory:
        start = time.perf_counter()
        model = fit(name, settings, half_life, test.training, catalogue)
        fitted = time.perf_counter()
        lists_of(model, test.training, test)
        listed = time.perf_counter()
    figures, values = judged(model, test)
    np.save(Path(folder) / "values.npy", values)
    figures |= {
        "fit_seconds": round(fitted - start, 1),
        "list_seconds": round(listed - fitted, 1),
        "peak_mb": round(memory.peak_mb),
        "load_average": load,
        "settings": {**settings, "prior_half_life_days": half_life},
        "validation": tried,
    }
    print(json.dumps(figures))


def tuned(
    name: str, fold: FoldInMemory, catalogue: Catalogue
) -> tuple[tuple[dict[str, Any], float | None], float]:
    """Returns the settings and the half-life that are best on the validation, and their nDCG@10."""
    has_prior = name in GRIDS and not name.startswith(("implicit", "popularity"))
    best: tuple[Any, float] = ((), -1.0)
    for settings in GRIDS[name]:
        model = fit(name, settings, None, fold.training, catalogue)
        for half_life in HALF_LIVES if has_prior and fold.training.ages.any() else (None,):
            with_it = with_prior(model, fold.training, half_life)
            figure = judged(with_it, fold, EVERY)[0]["ndcg_at_10"]
            print(name, settings, half_life, figure, file=sys.stderr, flush=True)
            if figure > best[1]:
                best = ((settings, half_life), figure)
    return best


def fit(
    name: str, settings: dict[str, Any], half_life: float | None, users: Histories, items: Catalogue
) -> Any:
    if name.startswith("implicit_"):
        return fit_implicit(ImplicitParams(name, settings), users, SEED)
    params = parse_params({"model": name, **settings})
    setting = FitSetting(SEED, threads=len(os.sched_getaffinity(0)))
    return with_prior(fit_model(params, users, items, setting), users, half_life)


def lists_of(model: Scorer, users: Histories, fold: FoldInMemory) -> Lists:
    """Returns lists of N for these users, a share of them in each of PARTS threads."""
    select = Selection(N, fold.allowed)
    parts = [users.take(rows) for rows in np.array_split(np.arange(len(users)), PARTS)]
    with one_thread():
        found = together(*(lambda part=part: best_items(model, part, select) for part in parts))
    return Lists(*(np.concatenate([getattr(x, f) for x in found]) for f in ("items", "scores")))


def judged(
    model: Scorer, fold: FoldInMemory, every: int = 1
) -> tuple[dict[str, float], np.ndarray]:
    """Returns the means over every so many-th user with an answer, and nDCG@10 of each of them."""
    rows = np.flatnonzero(fold.truth.counts > 0)[::every]
    lists, truth = lists_of(model, fold.users.take(rows), fold), fold.truth.take(rows)
    long = user_values(lists, truth)
    short = user_values(Lists(lists.items[:, :10], lists.scores[:, :10]), truth)
    figures = {
        "ndcg_at_10": short["ndcg"].mean(),
        "ndcg_at_20": long["ndcg"].mean(),
        "recall_at_20": long["recall"].mean(),
    }
    return {key: round(float(value), 5) for key, value in figures.items()}, short["ndcg"]


if __name__ == "__main__":
    main()
