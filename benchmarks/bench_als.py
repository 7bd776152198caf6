"""ALS and top-10 lists of the compiled kernels beside the `implicit` library, on two threads.

    python benchmarks/bench_als.py    about five minutes on two cores

One million synthetic interactions (tastes, popular items, noise) of 30,000 users and 40,000 items,
rank 64, 16 iterations. Engines alternate within the run, whichever begins; medians of 3. Both are
judged by nDCG@10 on the same fifth held out, each with the best of six regularisations (they
weigh it differently; all are written down). Peak memory is that of a process which loads the
matrix and fits once. `load_average` tells how busy the machine was: 0 is quiet.
Writes benchmarks/results/als.json. Without `implicit`, ours runs alone.
"""

# ruff: noqa: E402 - numpy and numba read the environment when they are imported.
from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = 2
os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS)
if "--memory" not in sys.argv:
    # A fresh cache: what compiling costs is measured.
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="sparkperso-numba-")

import numpy as np
from scipy.sparse import csr_matrix, load_npz, save_npz

from sparkperso.recommend.kernels.als import first_factors, fit_als, fold_in
from sparkperso.recommend.kernels.top_n import top_n

try:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits
except ImportError:
    AlternatingLeastSquares = None

RESULTS = Path(__file__).parent / "results"
REPEATS, RANK, ITERATIONS, ALPHA, N = 3, 64, 16, 5.0, 10
GRID = {
    "ours": (0.1, 0.3, 0.6, 1.0, 1.7, 3.0),
    "implicit": (20.0, 40.0, 80.0, 120.0, 160.0, 320.0),
}
SIZES = {"6000x4000": (6000, 4000, 200_000), "30000x40000": (30_000, 40_000, 1_070_000)}


def main() -> None:
    arguments = parse_arguments()
    if arguments.memory:
        print(json.dumps(peak_memory(*arguments.memory)))
        return
    load = os.getloadavg()[0]
    engines = ["ours", "implicit"] if AlternatingLeastSquares else ["ours"]
    large = interactions(*SIZES["30000x40000"])
    result = {"compile_seconds": compile_seconds(), "fit": time_fits(engines, large)}
    result["ndcg_at_10"] = {engine: quality(engine, large) for engine in engines}
    result["peak_memory_mb"] = {engine: ask_memory(engine, large) for engine in engines}
    result["top_10"] = {name: time_lists(engines, interactions(*s)) for name, s in SIZES.items()}
    result["load_average"] = {"before": load, "after": os.getloadavg()[0]}
    result["interactions"] = int(large.nnz)
    result["measured"] = time.strftime("%Y-%m-%d")
    result["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "als.json").write_text(json.dumps(result, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def interactions(n_users: int, n_items: int, n_pairs: int, groups: int = 40) -> csr_matrix:
    """Users mix a few tastes; items of a taste sell by a power law; a fifth is noise."""
    rng = np.random.default_rng(0)
    group = rng.integers(groups, size=n_items)
    sells = rng.permutation(1 / (np.arange(n_items) + 20.0) ** 0.8)
    sizes = np.maximum(3, rng.lognormal(np.log(n_pairs / n_users) - 0.4, 0.9, n_users)).astype(int)
    users = np.repeat(np.arange(n_users), sizes)
    taste = rng.dirichlet(np.full(groups, 0.05), n_users).cumsum(1)[users]
    asked = (taste < rng.random(len(users))[:, None]).sum(1).clip(0, groups - 1)
    items = rng.choice(n_items, size=len(users), p=sells / sells.sum())
    for number in range(groups):
        mine = np.flatnonzero((asked == number) & (rng.random(len(users)) < 0.8))
        held = np.flatnonzero(group == number)
        items[mine] = rng.choice(held, size=len(mine), p=sells[held] / sells[held].sum())
    matrix = csr_matrix((np.ones(len(users), np.float32), (users, items)), (n_users, n_items))
    matrix.data = np.minimum(matrix.data, 5)
    return matrix


def compile_seconds() -> float:
    """What the first call of every kernel takes beyond the second."""
    tiny = interactions(20, 50, 200, groups=2)

    def once() -> float:
        started = time.perf_counter()
        fold_in(tiny, fit("ours", tiny, 0.01, 1)[1], reg_param=0.01, alpha=ALPHA, implicit=True)
        lists("ours", (np.ones((20, 2), np.float32), np.ones((50, 2), np.float32)), tiny)
        return time.perf_counter() - started

    first = once()
    return round(first - once(), 1)


def fit(engine: str, matrix: csr_matrix, reg_param: float, iterations: int = ITERATIONS):
    """Returns (user factors or None, item factors)."""
    if engine == "ours":
        return None, fit_als(
            matrix, rank=RANK, reg_param=reg_param, alpha=ALPHA, max_iter=iterations,
            implicit=True, seed=1, threads=THREADS,
        )  # fmt: skip
    with threadpool_limits(1, "blas"):  # As implicit asks for.
        model = AlternatingLeastSquares(
            factors=RANK, regularization=reg_param, alpha=ALPHA, iterations=iterations,
            num_threads=THREADS, random_state=1,
        )  # fmt: skip
        model.fit(matrix, show_progress=False)
    return model.user_factors, model.item_factors


def time_fits(engines: list[str], matrix: csr_matrix) -> dict:
    return alternate(engines, lambda engine: fit(engine, matrix, GRID[engine][1]))


def alternate(engines: list[str], work) -> dict:
    """Seconds per engine: all runs, and their median; every other round begins with the other."""
    seconds: dict[str, list[float]] = {engine: [] for engine in engines}
    for repeat in range(REPEATS):
        for engine in engines if repeat % 2 == 0 else reversed(engines):
            started = time.perf_counter()
            work(engine)
            seconds[engine].append(round(time.perf_counter() - started, 3))
    return {e: {"median": statistics.median(s), "seconds": s} for e, s in seconds.items()}


def quality(engine: str, matrix: csr_matrix) -> dict:
    """The best nDCG@10 over the engine's regularisations."""
    coo = matrix.tocoo()
    held_out = np.random.default_rng(1).random(coo.nnz) < 0.2
    known, asked = (
        csr_matrix((coo.data[part], (coo.row[part], coo.col[part])), shape=coo.shape)
        for part in (~held_out, held_out)
    )
    found = {}
    for reg_param in GRID[engine]:
        users, items = fit(engine, known, reg_param)
        if users is None:
            users = fold_in(
                known, items, reg_param=reg_param, alpha=ALPHA, implicit=True, threads=THREADS
            )
        found[reg_param] = round(ndcg(lists("ours", (users, items), known), asked), 4)
    best = max(found, key=found.get)
    return {"best": found[best], "reg_param": best, "all": found}


def ndcg(columns: np.ndarray, asked: csr_matrix) -> float:
    """The mean over users with something held out."""
    discounts = 1 / np.log2(np.arange(2, N + 2))
    scores = []
    for row in range(asked.shape[0]):
        wanted = asked.indices[asked.indptr[row] : asked.indptr[row + 1]]
        if len(wanted):
            hits = np.isin(columns[row], wanted)
            scores.append((hits * discounts).sum() / discounts[: len(wanted)].sum())
    return float(np.mean(scores))


def lists(engine: str, factors, known: csr_matrix) -> np.ndarray:
    """The ten best unseen items of every user (users × 10)."""
    users, items = factors
    if engine == "implicit":
        model = AlternatingLeastSquares(factors=users.shape[1], num_threads=THREADS)
        model.user_factors, model.item_factors = users, items
        everybody = np.arange(len(users))
        return model.recommend(everybody, known, N=N, filter_already_liked_items=True)[0]
    found = []
    for first in range(0, len(users), 256):
        scores = users[first : first + 256] @ items.T
        seen = known[first : first + 256]
        scores[seen.nonzero()] = -np.inf
        found.append(top_n(scores, N, THREADS)[0])
    return np.concatenate(found)


def time_lists(engines: list[str], matrix: csr_matrix) -> dict:
    factors = tuple(first_factors(size, RANK, seed) for seed, size in enumerate(matrix.shape))
    return alternate(engines, lambda engine: lists(engine, factors, matrix))


def ask_memory(engine: str, matrix: csr_matrix) -> dict:
    """Drawing the matrix takes more than a fit, so another process loads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "matrix.npz"
        save_npz(path, matrix)
        command = [sys.executable, __file__, "--memory", engine, str(path)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def peak_memory(engine: str, path: str) -> dict:
    """The process's largest resident size in MB: imports and the matrix, then with the fit."""
    matrix = load_npz(path)
    fit(engine, matrix[:50], GRID[engine][1], 1)
    before = high_water()
    fit(engine, matrix, GRID[engine][1])
    return {"before": before, "peak": high_water()}


def high_water() -> int:
    """Linux's own figure: what getrusage says begins with the size of the process that forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
