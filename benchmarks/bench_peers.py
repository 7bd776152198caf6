"""Quality on rolling origins beside peers: the blend, and each model with and without the prior.

    python benchmarks/bench_peers.py                        the bundled shop
    python benchmarks/bench_peers.py --journey FOLDER       a grocer's households

New items only, seen items left out, global cuts at 50, 60, 70 and 80 % of the rows; unique
customer-item pairs of positive quantity, customers with a history. At each origin everything is
tuned on the two folds before it (inside the training part), then asked once; each setting of a
model is tried with every half-life of the prior. `implicit` is tuned over its own grid in the same
way. Intervals are of a bootstrap over the customers of each origin. Runs in one process, without
Spark: the models are the same code. Writes benchmarks/results/peers.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from peer_data import Rows, examine, journey, shop
from sparkperso.config.recommend.criterion import METRICS, Criterion
from sparkperso.config.recommend.models import (
    AlsParams,
    ContentParams,
    EaseParams,
    GraphFilterParams,
    HybridParams,
    KnnParams,
    PopularityParams,
    SparseEaseParams,
)
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.fit.blend_weights import blend_sums, choose_weights, weight_grid
from sparkperso.recommend.fit.trial import FoldInMemory
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting, Scorer
from sparkperso.recommend.models.recency_prior import with_prior
from sparkperso.recommend.scoring.ranking_blocks import user_values
from sparkperso.recommend.scoring.top_n import Selection, best_items

RESULTS = Path(__file__).parent / "results" / "peers.json"
METRIC = "ndcg_at_10"
PRIORS = (None, 5, 10, 20)
DRAWS = 1000
SPACE: dict[str, list[Any]] = {
    "popularity": [
        *(PopularityParams(window_days=d) for d in (None, 7, 14, 30)),
        *(PopularityParams(half_life_days=d) for d in (15, 30, 60)),
    ],
    "item_knn": [
        KnnParams(similarity=s, n_neighbours=n) for s in ("bm25", "cosine") for n in (20, 100)
    ],
    "ease": [EaseParams(reg_param=r) for r in (100, 250, 500, 1000, 2000)],
    "sparse_ease": [SparseEaseParams(reg_param=r) for r in (100, 300, 1000)],
    "graph_filter": [
        GraphFilterParams(user_exponent=a, low_pass=w, n_neighbours=200)
        for a, w in ((0.5, 0.3), (0.5, 0.6), (0.75, 0.3), (1.0, 0.3))
    ],
    "als": [
        AlsParams(rank=r, reg_param=g, alpha=a)
        for r in (8, 16, 64)
        for g in (0.1, 0.3, 0.6)
        for a in (1, 2)
    ],
    "content": [ContentParams()],
    "implicit_als": [
        {"factors": f, "regularization": r, "alpha": a, "iterations": 15}
        for f in (8, 16, 64)
        for r in (1.0, 10.0, 30.0, 60.0)
        for a in (1.0, 5.0)
    ],
}
PEERS = ("implicit_als", "item_knn", "ease", "popularity")


@dataclass(frozen=True)
class ImplicitAls:
    """The library's factors as a model of ours, so that both are listed and judged alike."""

    users: np.ndarray
    items: np.ndarray

    def scores(self, users: Histories) -> np.ndarray:
        """Returns users × items."""
        return self.users[users.ids.astype(int)] @ self.items.T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journey", type=Path)
    folder = parser.parse_args().journey
    name, rows = ("complete_journey", journey(folder)) if folder else ("online_retail", shop())
    figures = rolling(rows)
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**found, name: figures}, indent=2, sort_keys=True) + "\n")


def rolling(rows: Rows) -> dict[str, Any]:
    origins = [(0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 1.0)]
    found, values = [], []
    for start, end in origins:
        inside = [(start - 0.2, start - 0.1), (start - 0.1, start)]
        folds = [examine(rows, *span) for span in inside]
        chosen, values_here = ask(folds, examine(rows, start, end), rows.catalogue)
        test = {name: round(float(each.mean()), 5) for name, each in values_here.items()}
        found.append({"chosen": chosen, "test": test})
        values.append(values_here)
        print(f"origin {start:.0%}", json.dumps(test), flush=True)
    means = {name: float(np.mean([f["test"][name] for f in found])) for name in found[0]["test"]}
    print("mean", json.dumps(means))
    gains = {name: gain(values, name) for name in means if name != "hybrid"}
    for name, (middle, low, high) in gains.items():
        share = means["hybrid"] / means[name] - 1
        print(f"hybrid over {name}: {middle:+.4f} [{low:+.4f}, {high:+.4f}], {share:+.1%}")
    best = max((name for name in PEERS if name in means), key=lambda name: means[name])
    over = means["hybrid"] / means[best] - 1
    print(f"best static peer {best}: hybrid {over:+.1%}", flush=True)
    return {"origins": found, "means": means, "gains": gains, "hybrid_over_best_static": over}


def gain(values: list[dict[str, np.ndarray]], name: str) -> tuple[float, float, float]:
    """Returns the mean over origins of hybrid - name, and its 95 % interval."""
    rng = np.random.default_rng(42)
    means, draws = [], np.zeros(DRAWS)
    for of_origin in values:
        each = of_origin["hybrid"] - of_origin[name]
        means.append(each.mean())
        draws += np.array([rng.choice(each, len(each)).mean() for _ in range(DRAWS)]) / len(values)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(np.mean(means)), float(low), float(high)


def ask(folds: list[FoldInMemory], test: FoldInMemory, catalogue: Catalogue) -> tuple[dict, dict]:
    """Returns what was chosen on the folds, and every contender's nDCG per user of the test."""
    chosen: dict[str, tuple[Any, float | None]] = {}
    parts = []
    for name, space in SPACE.items():
        if name == "ease" and test.users.n_items > FitSetting().max_item_pairs:
            continue  # Items × items would not fit; it is left out on both sides.
        figures = tried(name, space, folds, catalogue)
        chosen[name] = max((key for key in figures if key[1] is None), key=figures.__getitem__)
        if name != "popularity":
            with_a_prior = [key for key in figures if key[1] is not None]
            chosen[f"{name}_prior"] = max(with_a_prior, key=figures.__getitem__)
        if name != "implicit_als":
            parts.append(settings_of(name, max(figures, key=figures.__getitem__)))
    values = {name: values_of(fitter(name, key, catalogue), test) for name, key in chosen.items()}
    hybrid = blend(folds, tuple(parts), catalogue)
    values["hybrid"] = values_of(
        lambda prepared: fit_model(hybrid, prepared.training, catalogue), test
    )
    told = {name: [str(settings_of(name, key)), key[1]] for name, key in chosen.items()}
    return {**told, "hybrid": hybrid.model_dump(mode="json")}, values


def tried(name: str, space: list[Any], folds: list[FoldInMemory], catalogue: Catalogue) -> dict:
    """Returns (place in the space, half-life) → nDCG@10, the mean of the folds."""
    priors = PRIORS if name != "popularity" else (None,)
    sums: dict[tuple[int, float | None], float] = {}
    for place in range(len(space)):
        for fold in folds:
            model = fitter(name, (place, None), catalogue)(fold)
            for half_life in priors:
                changed = with_prior(model, fold.training, half_life)
                figure = fold.judge(changed).means(Criterion(10), 1)[METRIC] / len(folds)
                sums[place, half_life] = sums.get((place, half_life), 0.0) + figure
    return sums


def settings_of(name: str, key: tuple[int, float | None]) -> Any:
    place, half_life = key
    settings = SPACE[name.removesuffix("_prior")][place]
    if half_life is None or isinstance(settings, dict):
        return settings
    return settings.model_copy(update={"prior_half_life_days": half_life})


def fitter(
    name: str, key: tuple[int, float | None], catalogue: Catalogue
) -> Callable[[FoldInMemory], Any]:
    settings = settings_of(name, key)
    if isinstance(settings, dict):
        return lambda prepared: with_prior(
            fit_implicit(settings, prepared), prepared.training, key[1]
        )
    return lambda prepared: fit_model(settings, prepared.training, catalogue)


def fit_implicit(settings: dict[str, Any], prepared: FoldInMemory) -> ImplicitAls:
    """Returns the `implicit` library's ALS, fitted."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(**settings, random_state=42, num_threads=1)
    model.fit(prepared.users.likes, show_progress=False)
    return ImplicitAls(model.user_factors, model.item_factors)


def blend(folds: list[FoldInMemory], parts: tuple, catalogue: Catalogue) -> HybridParams:
    grid = weight_grid(len(parts), 5)
    users, sums = 0, 0
    for fold in folds:
        fitted = [fit_model(p, fold.training, catalogue) for p in parts]
        own_users, own_sums = blend_sums(fitted, fold, grid)
        # Groups of users are for a figure of the blend itself, which is judged on the test here.
        users = users + own_users.sum(axis=0)
        sums = sums + own_sums[METRICS.index("ndcg")].sum(axis=0)
    return HybridParams(parts=parts, weights=choose_weights(users, sums, grid, 100))


def values_of(fit: Callable[[FoldInMemory], Scorer], prepared: FoldInMemory) -> np.ndarray:
    """Returns the nDCG@10 of each user with a right answer."""
    rows = np.flatnonzero(prepared.truth.counts > 0)
    asked = prepared.users.take(rows)
    lists = best_items(fit(prepared), asked, Selection(prepared.k, prepared.allowed))
    return user_values(lists, prepared.truth.take(rows))["ndcg"]


if __name__ == "__main__":
    main()
