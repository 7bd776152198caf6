"""A shop's and a grocer's purchases in memory, cut at shares of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.criterion import Criterion
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.fit.trial import FoldInMemory
from sparkperso.recommend.scoring.ranking_blocks import GroundTruth
from sparkperso.testing.sample import BUNDLED


@dataclass(frozen=True)
class Rows:
    """Purchases in order of time, and what is known of the items."""

    users: np.ndarray
    items: np.ndarray
    days: np.ndarray
    catalogue: Catalogue


def shop() -> Rows:
    frame = pd.read_parquet(BUNDLED)
    frame.columns = [name.replace(" ", "_") for name in frame.columns]
    frame = frame[frame.Customer_ID.notna() & (frame.Quantity > 0)]
    known = frame.groupby(frame.StockCode.astype(str)).agg(
        {"Description": "first", "Price": "median"}
    )
    known = known.assign(text=known.Description.fillna(""), category="", price=known.Price)
    return rows_of(frame.Customer_ID.astype(int), frame.StockCode, frame.InvoiceDate, known)


def journey(folder: Path) -> Rows:
    frame = pd.read_parquet(folder / "transactions_sample.parquet")
    frame = frame[frame.quantity > 0]
    known = pd.read_parquet(folder / "products.parquet")
    known = known.set_index(known.product_id.astype(str)).fillna(
        {"product_type": "", "department": ""}
    )
    known = known.assign(text=known.product_type, category=known.department, price=np.nan)
    return rows_of(frame.household_id, frame.product_id, frame.transaction_timestamp, known)


def rows_of(users: pd.Series, items: pd.Series, times: pd.Series, known: pd.DataFrame) -> Rows:
    when = pd.to_datetime(times)
    order = np.argsort(when.to_numpy(), kind="stable")
    days = (when - when.min()).dt.total_seconds().to_numpy() / 86_400
    user_codes, _ = pd.factorize(users.astype(str), sort=True)
    item_codes, ids = pd.factorize(items.astype(str), sort=True)
    known = known.reindex(ids).fillna({"text": "", "category": ""})
    texts, categories = known.text.to_numpy(object), known.category.to_numpy(object)
    catalogue = Catalogue(np.asarray(ids, object), texts, categories, known.price.to_numpy(float))
    return Rows(user_codes[order], item_codes[order], days[order], catalogue)


def examine(rows: Rows, start: float, end: float) -> FoldInMemory:
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
    return FoldInMemory(
        users, GroundTruth(csr_matrix(shape, shape=matrix.shape), counts), allowed, Criterion(10)
    )
