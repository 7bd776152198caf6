"""Our k-means beside scikit-learn's on the features of a lake: cost and silhouette.

    python benchmarks/bench_segments_quality.py --lake LAKE [--k 4 6 8] [--starts 10]

LAKE holds gold/user_features_scaled (`sparkperso demo`, build-features); the features are those of
conf/segments/behaviour.yaml. Both get the same matrix and the same number of starts. Ours is found
as build-segments finds it, on all users, and, beside it, by centres of a fifth of them that are
improved on all. The peer is fitted with five seeds: its best and its worst cost are told.
Silhouettes are scikit-learn's, with Euclidean distances. Writes
benchmarks/results/segments_quality.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from deltalake import DeltaTable
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from sparkperso.config import load_settings
from sparkperso.config.segmentation import load_segmentation
from sparkperso.core.threads import one_thread
from sparkperso.platform.session import build_session
from sparkperso.segments.base.points import cached_points
from sparkperso.segments.base.sample import mini_batch, points_in_driver
from sparkperso.segments.kmeans.centres import best_centres, refine_centres
from sparkperso.segments.kmeans.search import measured

RESULTS = Path(__file__).parent / "results"
SEED = 42
PEER_SEEDS = range(5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", required=True)
    parser.add_argument("--k", type=int, nargs="+", default=[4, 5, 6, 7, 8])
    parser.add_argument("--starts", type=int, default=10)
    arguments = parser.parse_args()
    plan = load_segmentation("behaviour")
    table = DeltaTable(str(Path(arguments.lake) / "gold" / "user_features_scaled")).to_pandas()
    table = table[table.as_of == table.as_of.max()].sort_values("user_id")
    rows = table[["user_id", *plan.features]]
    spark = build_session(load_settings())
    result = {}
    with cached_points(spark.createDataFrame(rows), plan.features, 2) as points:
        for k in arguments.k:
            result[f"k={k}"] = compare(points, plan, k, arguments.starts)
            print(json.dumps({f"k={k}": result[f"k={k}"]}, indent=2), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "segments_quality.json").write_text(json.dumps(result, indent=2) + "\n")


def compare(points, plan, k: int, starts: int) -> dict[str, float]:
    """Returns costs and silhouettes of both, and ours less the peer's best as a share of it."""
    matrix = points_in_driver(points)
    started = time.monotonic()
    centres = best_centres(matrix, plan, k, SEED, starts)
    seconds = time.monotonic() - started
    ours = measured(points, centres, k, SEED).metrics.cost
    some = points_in_driver(mini_batch(points, len(matrix), len(matrix) // 5))
    improved = refine_centres(points, best_centres(some, plan, k, SEED, starts), plan)
    with one_thread():
        peers = [KMeans(k, n_init=starts, random_state=s).fit(matrix) for s in PEER_SEEDS]
        single = [KMeans(k, n_init=1, random_state=s).fit(matrix).inertia_ for s in range(starts)]
    peer = min(peers, key=lambda fit: fit.inertia_)
    labels = ((matrix[:, None, :] - np.array(centres)[None]) ** 2).sum(axis=2).argmin(axis=1)
    mine, theirs = silhouette_score(matrix, labels), silhouette_score(matrix, peer.labels_)
    return {
        "users": len(matrix),
        "starts": starts,
        "fit seconds": round(seconds, 2),
        "cost": ours,
        "cost by a fifth, improved on all": measured(points, improved, k, SEED).metrics.cost,
        "cost of scikit-learn, best": float(peer.inertia_),
        "cost of scikit-learn, worst": max(float(fit.inertia_) for fit in peers),
        "cost of scikit-learn with one start, worst": float(max(single)),
        "cost apart": ours / float(peer.inertia_) - 1,
        "silhouette": float(mine),
        "silhouette of scikit-learn": float(theirs),
        "silhouette apart": float(mine / theirs) - 1,
    }


if __name__ == "__main__":
    main()
