"""Our k-means beside scikit-learn's on the demo shop's customers: cost and silhouette.

    python benchmarks/bench_segments_quality.py --lake LAKE [--seeds 5]

LAKE holds gold/user_features (`sparkperso demo` or build-features). Recency, frequency and monetary
are put through log(1 + x), keeping the sign, and standardised; both get the same matrix. Ours is
the best of `--seeds` starts by cost, scikit-learn's of 20. Silhouettes are scikit-learn's, of both
labellings, with Euclidean distances. Prints both and how far they are apart, and writes
benchmarks/results/segments_quality.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from deltalake import DeltaTable
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from sparkperso.config import load_settings
from sparkperso.config.segments import KMeansSegmentation
from sparkperso.segments.points import cached_points
from sparkperso.segments.search import fit_candidate
from sparkperso.session import build_session

RESULTS = Path(__file__).parent / "results"
FEATURES = ["recency_days", "frequency", "monetary"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    users, matrix = read_matrix(arguments.lake)
    spark = build_session(load_settings())
    rows = [(user, *map(float, row)) for user, row in zip(users, matrix, strict=True)]
    columns = ", ".join(["user_id string", *(f"{name} double" for name in FEATURES)])
    result = {}
    with cached_points(spark.createDataFrame(rows, columns), FEATURES, 2) as points:
        for k in (2, 4):
            result[f"k={k}"] = compare(points, matrix, k, arguments.seeds)
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "segments_quality.json").write_text(json.dumps(result, indent=2) + "\n")


def read_matrix(lake: str) -> tuple[list[str], np.ndarray]:
    """Returns the users of the latest features and their standardised logarithms."""
    table = DeltaTable(str(Path(lake) / "gold" / "user_features")).to_pandas()
    table = table[table.as_of == table.as_of.max()].sort_values("user_id")
    values = table[FEATURES].to_numpy(dtype=float)
    logs = np.sign(values) * np.log1p(np.abs(values))
    return list(table.user_id), (logs - logs.mean(axis=0)) / logs.std(axis=0)


def compare(points, matrix: np.ndarray, k: int, seeds: int) -> dict[str, float]:
    """Returns cost and silhouette of both, and ours less theirs as a share of theirs."""
    plan = KMeansSegmentation(
        name="peers", features=FEATURES, k_min=2, k_max=k, max_iter=300, tol=1e-6
    )
    fits = [fit_candidate(points, plan, k, seed) for seed in range(seeds)]
    best = min(fits, key=lambda fit: fit.metrics.cost)
    centres = np.array(best.centres)
    labels = ((matrix[:, None, :] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
    peer = KMeans(k, n_init=20, random_state=42).fit(matrix)
    ours, theirs = silhouette_score(matrix, labels), silhouette_score(matrix, peer.labels_)
    return {
        "users": len(matrix),
        "cost": best.metrics.cost,
        "cost of scikit-learn": float(peer.inertia_),
        "cost apart": best.metrics.cost / float(peer.inertia_) - 1,
        "silhouette": float(ours),
        "silhouette of scikit-learn": float(theirs),
        "silhouette apart": float(ours / theirs) - 1,
    }


if __name__ == "__main__":
    main()
