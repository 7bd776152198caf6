"""Lists of what is bought again: ours beside each person's own most frequent items.

    python benchmarks/bench_repeats.py --journey FOLDER    a grocer's households (completejourney)
    python benchmarks/bench_repeats.py                     the bundled shop

Cut at 80 % of the rows by time; the answers are items that a person has bought before the cut and
buys after it, persons without any are left out. Settings are chosen on the tenths of the rows from
50 to 80 %, each with what was before it, and asked about the rest once. Recall and nDCG at 10,
means over persons; the interval is of the paired difference by a bootstrap over persons. Writes
benchmarks/results/repeats_<data>.json.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from sparkperso.config import load_settings
from sparkperso.config.recommend.lists import RepeatsConfig
from sparkperso.evaluate.bootstrap import bootstrap_interval
from sparkperso.platform.session import build_session
from sparkperso.recommend.lists.repeats import repeat_rates
from sparkperso.testing.sample import BUNDLED

RESULTS = Path(__file__).parent / "results"
K, CUT, FOLDS = 10, 0.8, ((0.5, 0.6), (0.6, 0.7), (0.7, 0.8))
GRID = {
    "category_orders": (100.0, 300.0, 1000.0),
    "item_orders": (100.0, 300.0, 1000.0),
    "pair_orders": (100.0, 300.0),
    "half_life_days": (None, 365.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journey", type=Path, metavar="FOLDER")
    parser.add_argument("--default-only", action="store_true", help="Try no other settings.")
    arguments = parser.parse_args()
    name = "grocer" if arguments.journey else "shop"
    rows, items = grocer(arguments.journey) if arguments.journey else shop()
    spark = build_session(load_settings())
    folds = [at(rows, spark, items, *cuts) for cuts in FOLDS]
    late = at(rows, spark, items, CUT, 1.0)
    space = [RepeatsConfig()] if arguments.default_only else list(candidates())
    validated = {str(config): validation(folds, config) for config in space}
    best = max(space, key=lambda config: validated[str(config)])
    found, frequent = late.recall(best), late.recall(None)
    difference = found[0] - frequent[0]
    ones = np.ones(len(difference))
    result = {
        "what": f"repeats at {K}, {name}: {len(difference):,} persons who bought something again",
        "settings": best.model_dump(),
        "validation": {
            "ours": validated[str(best)],
            "default": validation(folds, RepeatsConfig()),
            "frequent": validation(folds, None),
        },
        "recall": {"ours": found[0].mean(), "frequent": frequent[0].mean()},
        "recall_ratio": found[0].mean() / frequent[0].mean(),
        "recall_difference": str(bootstrap_interval(ones, difference, 2000, 0.95, 1)),
        "default_recall": late.recall(RepeatsConfig())[0].mean(),
        "ndcg": {"ours": found[1].mean(), "frequent": frequent[1].mean()},
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"repeats_{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    spark.stop()


def validation(folds: list[Split], config: RepeatsConfig | None) -> float:
    """Returns the mean recall over the persons of all folds."""
    return float(np.concatenate([fold.recall(config)[0] for fold in folds]).mean())


def candidates():
    for values in product(*GRID.values()):
        yield RepeatsConfig(**dict(zip(GRID, values, strict=True)))


def grocer(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = pd.read_parquet(folder / "transactions_sample.parquet")
    frame = frame[frame.quantity > 0]
    known = pd.read_parquet(folder / "products.parquet")
    items = pd.DataFrame({"item_id": known.product_id, "category": known.product_category})
    columns = [frame.household_id, frame.product_id, frame.basket_id, frame.transaction_timestamp]
    return rows_of(*columns), items.astype(object).where(items.notna(), None)


def shop() -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = pd.read_parquet(BUNDLED)
    frame.columns = [name.replace(" ", "_") for name in frame.columns]
    frame = frame[frame.Customer_ID.notna() & (frame.Quantity > 0)]
    rows = rows_of(frame.Customer_ID.astype(int), frame.StockCode, frame.Invoice, frame.InvoiceDate)
    items = pd.DataFrame({"item_id": rows.item_id.unique()})
    return rows, items.assign(category=None)


def rows_of(users, items, orders, times) -> pd.DataFrame:
    rows = pd.DataFrame({"user_id": users, "item_id": items, "order": orders}).astype(str)
    return rows.assign(timestamp=pd.to_datetime(times)).sort_values("timestamp", kind="stable")


def at(rows: pd.DataFrame, spark: SparkSession, items: pd.DataFrame, cut: float, end: float):
    cut_at, end_at = (rows.timestamp.quantile(share) for share in (cut, end))
    before = rows[rows.timestamp < cut_at]
    after = rows[(rows.timestamp >= cut_at) & (rows.timestamp <= end_at)]
    return Split(before, after, spark, items)


class Split:
    """What was bought before a cut, and what of it was bought after it."""

    def __init__(self, before, after, spark, items):
        pairs = ["user_id", "item_id"]
        known = before.groupby(pairs).agg(n=("order", "nunique"), last=("timestamp", "max"))
        self.known = known.reset_index()
        self.answers = after[pairs].drop_duplicates().merge(self.known[pairs], on=pairs)
        self.as_of = before.timestamp.max().to_pydatetime()
        sold = spark.createDataFrame(before)
        self.events = sold.selectExpr(
            "user_id", "item_id", "'purchase' AS event_type", "timestamp",
            "CAST(NULL AS STRING) AS session_id", "map('order_id', `order`) AS metadata",
        ).localCheckpoint()  # fmt: skip
        self.items = spark.createDataFrame(
            items, "item_id string, category string"
        ).localCheckpoint()

    def recall(self, config: RepeatsConfig | None) -> tuple[np.ndarray, np.ndarray]:
        """Returns recall and nDCG of each person with answers; None: the most frequent."""
        scored = self.known.assign(strength=self.known.n)
        if config is not None:
            rates = repeat_rates(self.events, self.items, config, self.as_of).toPandas()
            scored = self.known.merge(rates[["user_id", "item_id", "strength"]])
        order = ["user_id", "strength", "last", "item_id"]
        ranked = scored.sort_values(order, ascending=[True, False, False, True])
        ranked["rank"] = ranked.groupby("user_id").cumcount()
        hits = self.answers.merge(ranked[ranked["rank"] < K], how="left", on=["user_id", "item_id"])
        hits["gain"] = np.where(hits["rank"].notna(), 1 / np.log2(hits["rank"].fillna(0) + 2), 0)
        users = hits.groupby("user_id")
        n = users.size()
        ideal = np.cumsum(1 / np.log2(np.arange(K) + 2))[np.minimum(n, K) - 1]
        return (users["rank"].count() / n).to_numpy(), (users.gain.sum() / ideal).to_numpy()


if __name__ == "__main__":
    main()
