"""Times similar items by all pairs and by a graph, on clustered directions of rank 64.

    python benchmarks/bench_similar.py             5,000 and 40,000 items
    python benchmarks/bench_similar.py --large     200,000 as well

One thread, without Spark. Prints recall@10 of the graph and seconds of processor time, and writes
benchmarks/results/similar.json. A sample of items asks; seconds for all are scaled up from it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sparkperso.config.recommend.lists import GraphConfig
from sparkperso.recommend.scoring.nearest_items import (
    TILE,
    Directions,
    build_graph,
    nearest_exact,
    nearest_in,
    open_graph,
)

RESULTS = Path(__file__).parent / "results"
RANK, N, PER_CLUSTER = 64, 10, 50


def main() -> None:
    arguments = parse_arguments()
    sizes = [*arguments.items, *([200_000] if arguments.large else [])]
    with threadpool_limits(1):
        measure(2 * TILE, arguments)  # Pays for compilation; not counted.
        runs = [measure(n_items, arguments) for n_items in sizes]
    result = {
        "what": f"the {N} most similar of each item, rank {RANK}; processor seconds of one thread",
        "graph": GraphConfig().model_dump(),
        "usearch": version("usearch"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "runs": runs,
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.name}.json").write_text(json.dumps(result, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[5_000, 40_000])
    parser.add_argument("--large", action="store_true", help="200,000 items as well")
    parser.add_argument("--asking", type=int, default=2048, help="items that ask")
    parser.add_argument("--name", default="similar", help="name of the result file")
    return parser.parse_args()


def clustered(n_items: int, seed: int = 7) -> Directions:
    """Items around centres, near ones and far ones: cosines to the centre of 0.9 to 0.3."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((n_items // PER_CLUSTER, RANK))
    spread = 1.4 * chance.gamma(2, 0.5, (n_items, 1))
    vectors = centres[chance.integers(0, len(centres), n_items)]
    vectors = vectors + spread * chance.standard_normal(vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.array([f"i{item:06d}" for item in range(n_items)], dtype=object)
    return Directions(ids, vectors.astype(np.float32), np.ones(n_items, dtype=bool))


def measure(n_items: int, arguments: argparse.Namespace) -> dict[str, float]:
    items, config = clustered(n_items), GraphConfig()
    asking = np.random.default_rng(1).permutation(n_items)[: arguments.asking]
    held, build = timed(lambda: build_graph(items, config))
    graph, load = timed(lambda: open_graph(held, config))
    exact, exact_seconds = asked(lambda tile: nearest_exact(items, tile, N), asking)
    found, search = asked(lambda tile: nearest_in(graph, items, tile, N), asking)
    hits = [len(set(a) & set(b)) for a, b in zip(found, exact, strict=True)]
    scale = n_items / len(asking)
    return {
        "items": n_items,
        "recall_at_10": round(sum(hits) / exact.size, 4),
        "exact_seconds": round(exact_seconds * scale, 2),
        "graph_seconds": round(build + load + search * scale, 2),
        "graph_build_seconds": round(build, 2),
        "graph_megabytes": round(len(held) / 1e6, 1),
        "asking": len(asking),
    }


def asked(nearest, asking):
    tiles = np.array_split(asking, -(-len(asking) // TILE))
    found, seconds = timed(lambda: [nearest(tile).items for tile in tiles])
    return np.concatenate(found), seconds


def timed(work):
    started = time.process_time()
    return work(), time.process_time() - started


if __name__ == "__main__":
    main()
