"""A catalogue of 42,000 items with known structure, and splits of files that a user gives.

    python benchmarks/large_data.py FOLDER    writes it as FOLDER/events.parquet (--source events)

30,000 users buy 1.3 million times in 360 days; 0.8 million pairs of user and item lie before the
cut at 80 %.

1. An item belongs to a shelf of 600, a shelf to a department of 40. Shelves differ in size, and
   items of a shelf sell by a power law: four in ten pairs fall on a tenth of the items.
2. An item comes on some day, a third of them before the first. From then on it sells less and less,
   down to a fifth, with a half-life of its own of 20 to 200 days.
3. A user has 1 to 6 shelves, most of them from two departments, and changes one during the year.
   They are there for a part of the year; how much they buy is log-normal.
4. A pair comes of one of three: half are of a shelf of the user's (TASTE), three in ten stand near
   what the user took last on its shelf (NEIGHBOUR), the rest is what sells to anybody (NOISE).

What that says of models: taste is of low rank, which factors and the low-pass of a graph filter
suit; neighbours are what item-to-item models find; fading is what a recency prior follows. The
shares are a guess, made before any model was tried on it and not changed since, so no model of ours
has this form. But it is made, not observed: it tells about times, memory and whether large
catalogues work. Which model is best on a shop's data is asked of the shop's data (`given`).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from peer_data import Rows
from sparkperso.config.recommend.criterion import Criterion
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.fit.trial import FoldInMemory
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth
from sparkperso.testing.models import bare_catalogue

DAYS, PERIOD = 360, 15
"""Length of the year, and how long an item's sales stay as they are, in days."""
N_SHELVES, N_DEPARTMENTS, MOST_SHELVES = 600, 40, 6
TASTE, NEIGHBOUR = 0.5, 0.3
START = pd.Timestamp("2025-01-01", tz="UTC")


@dataclass(frozen=True)
class Shelves:
    """The items in order of their shelves, and how they sell."""

    starts: np.ndarray
    """First item of each shelf, and the number of items at the end."""
    departments: np.ndarray
    """Department of each shelf."""
    sales: np.ndarray
    """Periods × items: an item's weight in a period."""

    def draw(self, periods: np.ndarray, shelves: np.ndarray, rng: np.random.Generator):
        """Returns an item per (period, shelf) by sales there; shelf -1 stands for all of them."""
        width = self.sales.shape[1]
        sums = np.concatenate([[0.0], self.sales.ravel().cumsum()])
        first = np.where(shelves < 0, 0, self.starts[shelves]) + periods * width
        last = np.where(shelves < 0, width, self.starts[shelves + 1]) + periods * width
        at = sums[first] + rng.random(len(periods)) * (sums[last] - sums[first])
        return (np.searchsorted(sums, at, side="right") - 1).clip(first, last - 1) % width


def made(
    seed: int = 42, n_users: int = 30_000, n_items: int = 42_000, n_pairs: int = 1_330_000
) -> Rows:
    """Returns the purchases, about `n_pairs` of them, in order of time."""
    rng = np.random.default_rng(seed)
    shelves = make_shelves(n_items, rng)
    own, shares, changed = tastes(n_users, shelves, rng)
    users, days = visits(n_users, n_pairs, rng)
    periods = (days // PERIOD).astype(np.int64)
    place = (shares[users].cumsum(1) < rng.random(len(users))[:, None]).sum(1)
    place = place.clip(0, MOST_SHELVES - 1)
    late = (days > changed[users]).astype(np.int64)
    how = rng.random(len(users))
    shelf = np.where(how < TASTE + NEIGHBOUR, own[users, late, place], -1)
    steps = rng.geometric(0.35, len(users)) * rng.choice([-1, 1], len(users))
    is_near = (how >= TASTE) & (how < TASTE + NEIGHBOUR)
    items = shelves.draw(periods, shelf, rng)
    items = follow(users, items, np.where(is_near, steps, 0), shelves)
    ids = np.array([f"i{number:06d}" for number in rng.permutation(n_items)], dtype=object)
    ranks = np.argsort(np.argsort(ids))
    order = np.argsort(days, kind="stable")
    return Rows(users[order], ranks[items][order], days[order], bare_catalogue(np.sort(ids)))


def make_shelves(n_items: int, rng: np.random.Generator) -> Shelves:
    sizes = rng.lognormal(0, 0.8, N_SHELVES)
    starts = np.round(np.concatenate([[0], sizes.cumsum() / sizes.sum()]) * n_items).astype(int)
    weights = 1 / (rng.permutation(n_items) + n_items / 100)
    came = rng.uniform(-DAYS / 2, DAYS, n_items)
    half_life = np.exp(rng.uniform(np.log(20), np.log(200), n_items))
    age = np.arange(0, DAYS, PERIOD)[:, None] + PERIOD / 2 - came
    fading = np.where(age > 0, 0.2 + 0.8 * 0.5 ** (np.maximum(age, 0) / half_life), 1e-9)
    return Shelves(starts, rng.integers(N_DEPARTMENTS, size=N_SHELVES), weights * fading)


def tastes(n_users: int, shelves: Shelves, rng: np.random.Generator):
    """Returns the shelves of each user before and after a change, and the day of it.

    They are users × 2 × places; between them the shares of the places, users × places.
    """
    home = rng.integers(N_DEPARTMENTS, size=(n_users, 2))
    asked = np.where(
        rng.random((n_users, MOST_SHELVES + 1)) < 0.8,
        home[np.arange(n_users)[:, None], rng.integers(2, size=(n_users, MOST_SHELVES + 1))],
        rng.integers(N_DEPARTMENTS, size=(n_users, MOST_SHELVES + 1)),
    )
    by_department = np.argsort(shelves.departments, kind="stable")
    first = np.searchsorted(shelves.departments[by_department], np.arange(N_DEPARTMENTS + 1))
    width = np.maximum(first[asked + 1] - first[asked], 1)
    drawn = first[asked] + (rng.random(asked.shape) ** 2 * width).astype(int)
    chosen = by_department[drawn.clip(0, N_SHELVES - 1)]
    before, after = chosen[:, :-1], chosen[:, :-1].copy()
    after[:, 0] = chosen[:, -1]
    shares = rng.gamma(0.5, size=(n_users, MOST_SHELVES)) + 1e-9
    shares[np.arange(MOST_SHELVES) >= rng.integers(1, MOST_SHELVES + 1, n_users)[:, None]] = 0
    shares /= shares.sum(1, keepdims=True)
    return np.stack([before, after], axis=1), shares, rng.uniform(0, DAYS, n_users)


def visits(n_users: int, n_pairs: int, rng: np.random.Generator):
    """Returns user and day of each pair, by user and day."""
    activity = rng.lognormal(0, 0.9, n_users)
    counts = np.maximum(2, activity / activity.sum() * n_pairs).astype(int)
    length = rng.uniform(0.2, 1.0, n_users) * DAYS
    begin = rng.uniform(0, 1, n_users) * (DAYS - length)
    users = np.repeat(np.arange(n_users), counts)
    days = begin[users] + rng.random(len(users)) * length[users]
    order = np.lexsort((days, users))
    return users, days[order]


def follow(users: np.ndarray, items: np.ndarray, steps: np.ndarray, shelves: Shelves):
    """Returns the items, those with a step so far from the user's last one on its shelf."""
    items = items.copy()
    start = np.searchsorted(users, users)
    nth = np.arange(len(users)) - start
    for number in range(1, int(nth.max()) + 1):
        rows = np.flatnonzero((nth == number) & (steps != 0))
        last = items[rows - 1]
        shelf = np.searchsorted(shelves.starts, last, side="right") - 1
        low, size = shelves.starts[shelf], shelves.starts[shelf + 1] - shelves.starts[shelf]
        items[rows] = low + (last - low + steps[rows]) % size
    return items


def given(train: Path, test: Path, seed: int = 42) -> tuple[FoldInMemory, FoldInMemory]:
    """Returns (validation, test) of a split in files.

    A file has a user and their items on each line, or is .parquet or .csv with user_id and item_id.
    The validation holds out a tenth of the training pairs.
    """
    known, asked = read_pairs(train), read_pairs(test)
    users = pd.Index(pd.unique(known.user_id)).sort_values()
    items = pd.Index(pd.unique(pd.concat([known.item_id, asked.item_id]))).sort_values()
    asked = asked[asked.user_id.isin(users)]
    shape = (len(users), len(items))

    def matrix_of(pairs: pd.DataFrame) -> csr_matrix:
        places = (users.get_indexer(pairs.user_id), items.get_indexer(pairs.item_id))
        counts = csr_matrix((np.ones(len(pairs), np.float32), places), shape=shape)
        return (counts > 0).astype(np.float32)

    before, after = matrix_of(known), matrix_of(asked)
    after -= after.multiply(before)
    after.eliminate_zeros()
    is_out = np.random.default_rng(seed).random(before.nnz) < 0.1
    rows = np.repeat(np.arange(shape[0]), np.diff(before.indptr))
    kept, held = (
        csr_matrix((before.data[part], (rows[part], before.indices[part])), shape=shape)
        for part in (~is_out, is_out)
    )
    return fold_of(kept, held), fold_of(before, after)


def read_pairs(path: Path) -> pd.DataFrame:
    """Returns user_id and item_id of each pair, as text."""
    if path.suffix in {".parquet", ".csv"}:
        read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
        return read(path)[["user_id", "item_id"]].astype(str)
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = [(line[0], item) for line in lines for item in line[1:]]
    return pd.DataFrame(pairs, columns=["user_id", "item_id"])


def fold_of(before: csr_matrix, after: csr_matrix) -> FoldInMemory:
    """Returns a split without times: every age is 0."""
    ids = np.arange(before.shape[0]).astype(str).astype(object)
    users = Histories(ids, before, np.zeros(before.nnz, np.float32), ((),) * len(ids))
    counts = np.diff(after.indptr).astype(np.int64)
    allowed = np.asarray(before.sum(axis=0)).ravel() > 0
    return FoldInMemory(users, GroundTruth(after, counts), allowed, Criterion(10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    rows = made(arguments.seed)
    events = pd.DataFrame(
        {
            "user_id": np.char.mod("u%06d", rows.users),
            "item_id": rows.catalogue.ids[rows.items],
            "event_type": "purchase",
            "value": 1.0,
            "currency": "EUR",
            "timestamp": (START + pd.to_timedelta(rows.days, unit="D")).floor("s"),
        }
    )
    arguments.folder.mkdir(parents=True, exist_ok=True)
    events.to_parquet(arguments.folder / "events.parquet", index=False)
    users, items = events.user_id.nunique(), events.item_id.nunique()
    print(f"{len(events):,} purchases, {users:,} users, {items:,} items")


if __name__ == "__main__":
    main()
