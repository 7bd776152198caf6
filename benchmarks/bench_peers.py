"""Quality on rolling origins beside peers: the blend, and each model with and without the prior.

    python benchmarks/bench_peers.py                              the bundled shop
    python benchmarks/bench_peers.py --journey TRANSACTIONS.parquet   a grocer's households

New items only, seen items left out, global cuts at 50, 60, 70 and 80 % of the rows; unique
customer-item pairs of positive quantity, customers with a history. At each origin everything is
tuned on the two folds before it (inside the training part), then asked once. `implicit` is tuned
over its own grid in the same way. Runs in one process, without Spark: the models are the same
code. Writes benchmarks/results/peers.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from sparkperso.config.models import (
    AlsParams,
    EaseParams,
    HybridParams,
    KnnParams,
    PopularityParams,
)
from sparkperso.recommend.blending import blend_sums, choose_weights, weight_grid
from sparkperso.recommend.catalogue import bare_catalogue
from sparkperso.recommend.histories import Histories
from sparkperso.recommend.judging import Answers, judge_lists
from sparkperso.recommend.listing import Lists
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.trials import Examined
from sparkperso.testing.sample import BUNDLED

RESULTS = Path(__file__).parent / "results" / "peers.json"
METRIC = "ndcg_at_10"
PRIORS = (None, 5, 7, 10, 14, 30)
SPACE = {
    "popularity": [PopularityParams(), *(PopularityParams(window_days=d) for d in (7, 14, 30))],
    "item_knn": [
        KnnParams(similarity=s, n_neighbours=n) for s in ("bm25", "cosine") for n in (20, 100)
    ],
    "ease": [EaseParams(reg_param=r) for r in (100, 250, 500, 1000, 2000)],
    "als": [AlsParams(rank=r, reg_param=g) for r in (16, 64) for g in (0.05, 0.1, 0.3)],
}
IMPLICIT = [
    {"factors": f, "regularization": r, "alpha": a, "iterations": 15}
    for f in (32, 64)
    for r in (1.0, 10.0, 30.0)
    for a in (1.0, 5.0)
]


@dataclass(frozen=True)
class Rows:
    """Purchases in order of time."""

    users: np.ndarray
    items: np.ndarray
    days: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journey", type=Path)
    arguments = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if arguments.journey:
        found["complete_journey"] = rolling(journey(arguments.journey))
    else:
        found["online_retail"] = rolling(shop())
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


def shop() -> Rows:
    frame = pd.read_parquet(BUNDLED)
    frame.columns = [name.replace(" ", "_") for name in frame.columns]
    frame = frame[frame.Customer_ID.notna() & (frame.Quantity > 0)]
    return rows_of(frame.Customer_ID.astype(int), frame.StockCode, frame.InvoiceDate)


def journey(path: Path) -> Rows:
    frame = pd.read_parquet(path)
    frame = frame[frame.quantity > 0]
    return rows_of(frame.household_id, frame.product_id, frame.transaction_timestamp)


def rows_of(users: pd.Series, items: pd.Series, times: pd.Series) -> Rows:
    when = pd.to_datetime(times)
    order = np.argsort(when.to_numpy(), kind="stable")
    days = (when - when.min()).dt.total_seconds().to_numpy() / 86_400
    codes = [pd.factorize(column.astype(str), sort=True)[0] for column in (users, items)]
    return Rows(codes[0][order], codes[1][order], days[order])


def examine(rows: Rows, start: float, end: float) -> Examined:
    """Returns what is known up to `start` (share of the rows) and asked up to `end`."""
    n = len(rows.days)
    cut, last = rows.days[int(n * start) - 1], rows.days[min(int(n * end), n) - 1]
    before, after = rows.days <= cut, (rows.days > cut) & (rows.days <= last)
    n_users, n_items = rows.users.max() + 1, rows.items.max() + 1
    pairs = pd.DataFrame({"u": rows.users[before], "i": rows.items[before], "d": rows.days[before]})
    pairs = pairs.groupby(["u", "i"], as_index=False).d.max()
    ones = np.ones(len(pairs), dtype=np.float32)
    matrix = csr_matrix((ones, (pairs.u, pairs.i)), shape=(n_users, n_items))
    ids = np.arange(n_users).astype(str).astype(object)
    users = Histories(ids, matrix, (cut - pairs.d).to_numpy(np.float32), ((),) * n_users)
    later = pd.DataFrame({"u": rows.users[after], "i": rows.items[after]}).drop_duplicates()
    known = np.asarray(matrix[later.u, later.i]).ravel() > 0
    later = later[~known & (users.lengths[later.u] > 0)]
    shape = (np.ones(len(later), dtype=np.float32), (later.u, later.i))
    counts = np.bincount(later.u, minlength=n_users)
    allowed = np.asarray(matrix.sum(axis=0)).ravel() > 0
    return Examined(users, Answers(csr_matrix(shape, shape=matrix.shape), counts), allowed, 10)


def rolling(rows: Rows) -> dict:
    origins = [(0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 1.0)]
    found = []
    for start, end in origins:
        inside = [(start - 0.2, start - 0.1), (start - 0.1, start)]
        found.append(ask([examine(rows, *span) for span in inside], examine(rows, start, end)))
        print(f"origin {start:.0%}", json.dumps(found[-1]["test"]), flush=True)
    means = {name: float(np.mean([f["test"][name] for f in found])) for name in found[0]["test"]}
    peers = ("implicit_als", "item_knn", "ease", "als")
    static = {n: means[n] for n in peers if n in means}
    best = max(static.values())
    print("mean", json.dumps(means))
    print(f"hybrid over the best static peer: {means['hybrid'] / best - 1:+.1%}", flush=True)
    return {"origins": found, "means": means, "hybrid_over_best_static": means["hybrid"] / best - 1}


def ask(folds: list[Examined], test: Examined) -> dict:
    """Returns what was chosen on the folds, and every contender's figure on the test."""
    chosen, test_scores = {}, {}
    for name, space in SPACE.items():
        if name == "ease" and test.users.n_items > FitSetting().max_item_pairs:
            continue  # Items × items would not fit; it is left out on both sides.
        static = best(folds, space)
        chosen[name] = static
        if name != "popularity":
            prior = [static.model_copy(update={"prior_half_life_days": h}) for h in PRIORS[1:]]
            if name == "ease":  # With a prior a stronger ridge does better: the pair is tuned.
                prior = [
                    p.model_copy(update={"reg_param": s.reg_param}) for p in prior for s in space
                ]
            chosen[f"{name}_prior"] = best(folds, prior)
    wanted = ("ease_prior", "item_knn_prior", "als_prior", "popularity")
    parts = tuple(chosen[n] for n in wanted if n in chosen)
    chosen["hybrid"] = blend(folds, parts)
    for name, params in chosen.items():
        test_scores[name] = score(params, test)
    settings = max(IMPLICIT, key=lambda s: np.mean([score_implicit(s, f) for f in folds]))
    test_scores["implicit_als"] = score_implicit(settings, test)
    told = {name: params.model_dump(mode="json") for name, params in chosen.items()}
    return {"chosen": {**told, "implicit_als": settings}, "test": test_scores}


def best(folds: list[Examined], space: list) -> object:
    return max(space, key=lambda params: np.mean([score(params, fold) for fold in folds]))


def score(params: object, exam: Examined) -> float:
    model = fit_model(params, exam.training, bare(exam))
    return exam.judge(model).means(10, 1)[METRIC]


def blend(folds: list[Examined], parts: tuple) -> HybridParams:
    grid = weight_grid(len(parts), 5)
    users, sums = 0, 0
    for fold in folds:
        fitted = [fit_model(p, fold.training, bare(fold)) for p in parts]
        own_users, own_sums = blend_sums(fitted, fold, grid)
        users, sums = users + own_users, sums + own_sums
    return HybridParams(parts=parts, weights=choose_weights(users, sums, grid, 100))


def bare(exam: Examined) -> object:
    return bare_catalogue(np.full(exam.users.n_items, "", dtype=object))


def score_implicit(settings: dict, exam: Examined) -> float:
    """Returns nDCG@10 of the `implicit` library's ALS, its seen items left out."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(**settings, random_state=42, num_threads=1)
    model.fit(exam.users.likes, show_progress=False)
    rows = np.flatnonzero(exam.answers.counts > 0)
    items, scores = model.recommend(rows, exam.users.likes[rows], N=10)
    asked = exam.users.take(rows)
    lists = Lists(items.astype(np.int64), scores.astype(np.float64))
    return judge_lists(lists, asked, exam.answers.take(rows)).means(10, 1)[METRIC]


if __name__ == "__main__":
    main()
