"""Lists of what is bought again, beside frequent and recent items and TIFU-kNN.

    python benchmarks/bench_repeats.py --journey FOLDER    a grocer's households (completejourney)
    python benchmarks/bench_repeats.py --retail FILE       a shop's year (Online Retail II, parquet)
    python benchmarks/bench_repeats.py                     the bundled sample of that shop

Cut at 80 % of the rows by time. `again`: the answers are items that a person has bought before the
cut and buys after it, lists hold own items alone. `all`: the answers are all that somebody known
buys after the cut; each method's list of own items is dealt out with one list of new items, that
of TIFU-kNN's neighbours, so that only the share of repeats in them differs. Settings are chosen on
the tenths of the rows from 50 to 80 %, each with what was before it, and asked about the rest once.
Recall and nDCG at 10, means over persons; intervals are of paired differences by a bootstrap over
persons. Writes benchmarks/results/repeats_<data>.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from sparkperso.config import load_settings
from sparkperso.config.recommend.lists import RepeatsConfig, RepeatsParams
from sparkperso.evaluate.bootstrap import bootstrap_interval
from sparkperso.platform.session import build_session
from sparkperso.recommend.lists.repeats import expected_rate, repeat_counts, repeat_shares
from sparkperso.testing.sample import BUNDLED
from tifu_knn import TifuSettings, item_frequencies, predictions

RESULTS = Path(__file__).parent / "results"
K, CUT, FOLDS = 10, 0.8, ((0.5, 0.6), (0.6, 0.7), (0.7, 0.8))
PAIR = ["user_id", "item_id"]


def grid(base, **values):
    return [
        replace_in(base, **dict(zip(values, v, strict=True))) for v in product(*values.values())
    ]


def replace_in(base, **values):
    if isinstance(base, TifuSettings):
        return replace(base, **values)
    return base.model_copy(update=values)


ORDERS = {"item_orders": (100.0, 300.0, 1000.0), "pair_orders": (10.0, 30.0, 100.0, 300.0)}
PLAIN = RepeatsParams(demand=0, end=None)
SPACES = {
    "frequent": [None],
    "recent": [None],
    "rates": grid(PLAIN, **ORDERS),
    "demand": grid(PLAIN, **ORDERS, demand=(0.25, 0.5)),
    "rhythm": grid(PLAIN, **ORDERS, demand=(0.5,), end=(None, 0.1, 0.3)),
    "tifu_knn": grid(
        TifuSettings(),
        within_decay=(0.9, 1.0),
        group_decay=(0.7, 0.9),
        n_neighbours=(100, 300),
        alpha=(0.2, 0.5, 0.8),
    ),
}
SHARES = (
    "the shop's",
    "the person's, weight 3",
    "the person's, weight 10",
    "the person's, weight 30",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journey", type=Path, metavar="FOLDER")
    parser.add_argument("--retail", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    name = "grocer" if arguments.journey else "retail" if arguments.retail else "shop"
    rows, items = grocer(arguments.journey) if arguments.journey else shop(arguments.retail)
    spark = build_session(load_settings())
    folds = [at(rows, spark, items, *cuts) for cuts in FOLDS]
    test = at(rows, spark, items, CUT, 1.0)
    best = {m: max(space, key=lambda one: validation(folds, m, one)) for m, space in SPACES.items()}
    values = {m: test.again(m, one) for m, one in best.items()}
    default = test.again("rhythm", RepeatsParams())
    result = {
        "what": f"repeats at {K}, {name}: {len(default):,} persons who bought something again",
        "again": {m: figures(values[m], values["frequent"]) for m in SPACES}
        | {"rhythm_by_default": figures(default, values["frequent"])},
        "rhythm_over_rates": gain(values["rhythm"], values["rates"]),
        "rhythm_over_tifu_knn": gain(values["rhythm"], values["tifu_knn"]),
        "validation": {m: validation(folds, m, one) for m, one in best.items()}
        | {"rhythm_by_default": validation(folds, "rhythm", RepeatsParams())},
        "settings": {m: described(one) for m, one in best.items()},
        "all": all_answers(folds, test, best),
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"repeats_{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    spark.stop()


def validation(folds: list[Split], method: str, settings) -> float:
    """Returns the mean recall over the persons of all folds."""
    return float(pd.concat([fold.again(method, settings) for fold in folds]).recall.mean())


def all_answers(folds, test, best) -> dict:
    """Returns figures of all next items, by the share of repeats that did best on the folds."""
    own = {m: one for m, one in best.items() if m in ("frequent", "rates", "rhythm")}

    def chosen(method):
        def recall(share):
            every = [fold.mixed(method, own[method], best["tifu_knn"], share) for fold in folds]
            return float(pd.concat(every).recall.mean())

        return {share: recall(share) for share in SHARES}

    by_share = {method: chosen(method) for method in own}
    shares = {method: max(found, key=found.get) for method, found in by_share.items()}
    lists = {m: test.mixed(m, one, best["tifu_knn"], shares[m]) for m, one in own.items()}
    lists["tifu_knn"] = test.everything(best["tifu_knn"])
    found = {m: figures(one, lists["frequent"]) for m, one in lists.items()}
    plain = test.mixed("rhythm", own["rhythm"], best["tifu_knn"], SHARES[0])
    own_share = test.mixed("rhythm", own["rhythm"], best["tifu_knn"], SHARES[2])
    found["share"] = shares
    found["share_by_validation"] = by_share["rhythm"]
    found["rhythm: the person's share over the shop's"] = gain(own_share, plain)
    return found


def figures(found: pd.DataFrame, frequent: pd.DataFrame) -> dict:
    return {
        "recall": interval(found.recall),
        "ndcg": interval(found.ndcg),
        "recall_ratio_to_frequent": round(found.recall.mean() / frequent.recall.mean(), 4),
        "recall_gain_over_frequent": gain(found, frequent),
    }


def gain(found: pd.DataFrame, other: pd.DataFrame) -> str:
    return interval(found.recall - other.recall)


def interval(values: pd.Series) -> str:
    return str(bootstrap_interval(np.ones(len(values)), values.to_numpy(), 2000, 0.95, 1))


def described(settings):
    if isinstance(settings, TifuSettings):
        return asdict(settings)
    return settings and settings.model_dump()


def grocer(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = pd.read_parquet(folder / "transactions_sample.parquet")
    frame = frame[frame.quantity > 0]
    known = pd.read_parquet(folder / "products.parquet")
    items = pd.DataFrame({"item_id": known.product_id, "category": known.product_category})
    columns = [frame.household_id, frame.product_id, frame.basket_id, frame.transaction_timestamp]
    return rows_of(*columns), items.astype(object).where(items.notna(), None)


def shop(file: Path | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = pd.read_parquet(file or BUNDLED)
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
    """What was bought before a cut, and what is bought after it."""

    def __init__(self, before, after, spark, items):
        as_of = before.timestamp.max().to_pydatetime()
        sold = spark.createDataFrame(before).selectExpr(
            "user_id", "item_id", "'purchase' AS event_type", "timestamp",
            "CAST(NULL AS STRING) AS session_id", "map('order_id', `order`) AS metadata",
        )  # fmt: skip
        known = spark.createDataFrame(items, "item_id string, category string")
        counts = repeat_counts(sold, known, RepeatsConfig().demand_half_life_days, as_of)
        counts = counts.localCheckpoint()
        every = {str(one): one for m in ("rates", "demand", "rhythm") for one in SPACES[m]}
        every[str(RepeatsParams())] = RepeatsParams()
        # Spark compiles a select: one of hundreds of rates would take minutes.
        self.scored = counts.select(*PAIR, "timestamp", "orders").toPandas()
        names = list(every)
        for start in range(0, len(names), 12):
            some = names[start : start + 12]
            rates = [F.round(expected_rate(every[name]), 9) for name in some]
            found = counts.select(*PAIR, *rates).toPandas()
            found.columns = [*PAIR, *some]
            self.scored = self.scored.merge(found, on=PAIR)
        self.shares = {
            w: repeat_shares(counts, w).toPandas().set_index("user_id").share
            for w in (3.0, 10.0, 30.0, 1e9)
        }
        bought = after[PAIR].drop_duplicates()
        self.repeats = bought.merge(self.scored[PAIR], on=PAIR)
        self.answers = bought[bought.user_id.isin(before.user_id)]
        self.numbered = numbered(before)
        self.tifu = {}

    def again(self, method, settings) -> pd.DataFrame:
        """Returns recall and ndcg of each person with repeats."""
        return judged(self.ranked_own(method, settings), self.repeats)

    def ranked_own(self, method, settings) -> pd.DataFrame:
        """Returns user_id, item_id, rank (from 0) of own items."""
        if method == "tifu_knn":
            return ranked(self.predicted(settings)[0])
        column = {"frequent": "orders", "recent": "timestamp"}.get(method, str(settings))
        return ranked(self.scored[[*PAIR, "timestamp"]].assign(score=self.scored[column]))

    def mixed(self, method, settings, of_new: TifuSettings, share: str) -> pd.DataFrame:
        """Returns recall and ndcg of everybody known who buys something."""
        own = self.ranked_own(method, settings)
        new = ranked(self.predicted(of_new)[1])
        weight = 1e9 if share == SHARES[0] else float(share.rsplit(maxsplit=1)[-1])
        shares = self.shares[weight]
        of_user = own.user_id.map(shares).clip(1e-3, 1), 1 - new.user_id.map(shares).clip(0, 0.999)
        dealt = [
            rows.assign(score=-(rows["rank"] + 0.5) / weights, timestamp=-kind)
            for kind, (rows, weights) in enumerate(zip((own, new), of_user, strict=True))
        ]
        return judged(ranked(pd.concat(dealt)), self.answers)

    def everything(self, settings: TifuSettings) -> pd.DataFrame:
        """Returns recall and ndcg of everybody known, of the model's own order of all items."""
        return judged(ranked(pd.concat(self.predicted(settings)[:2])), self.answers)

    def predicted(self, settings: TifuSettings) -> list[pd.DataFrame]:
        """Returns the persons' own items, and the best new ones: user_id, item_id, score."""
        if settings in self.tifu:
            return self.tifu[settings]
        rows, users, items, last = self.numbered
        own = item_frequencies(rows, settings)
        found = ([], [])
        for start, scores in predictions(own, settings):
            has = own[start : start + len(scores)].toarray() > 0
            mine = np.nonzero(has)
            found[0].append((mine[0] + start, mine[1], scores[mine]))
            scores[has] = -1
            best = np.argpartition(-scores, K, axis=1)[:, :K]
            at = np.repeat(np.arange(len(scores)), K)
            found[1].append((at + start, best.ravel(), scores[at, best.ravel()]))
        frames = []
        for part in found:
            user, item, score = (np.concatenate(column) for column in zip(*part, strict=True))
            frame = pd.DataFrame({"user_id": users[user], "item_id": items[item], "score": score})
            frames.append(frame[score > 0].merge(last, how="left", on=PAIR))
        self.tifu = {settings: frames}  # of the last settings only
        return frames


def numbered(before: pd.DataFrame):
    """Returns user, item, place, n_orders of each line; the ids by number; last of each pair."""
    lines = before.drop_duplicates([*PAIR, "order"])
    orders = lines.groupby(["user_id", "order"], as_index=False).timestamp.min()
    orders = orders.sort_values(["user_id", "timestamp", "order"])
    orders["place"] = orders.groupby("user_id").cumcount()
    orders["n_orders"] = orders.groupby("user_id").order.transform("size")
    lines = lines.merge(orders[["user_id", "order", "place", "n_orders"]], on=["user_id", "order"])
    users, user_ids = pd.factorize(lines.user_id)
    items, item_ids = pd.factorize(lines.item_id)
    last = lines.groupby(PAIR, as_index=False).timestamp.max()
    rows = lines.assign(user=users, item=items)[["user", "item", "place", "n_orders"]]
    return rows, np.asarray(user_ids), np.asarray(item_ids), last


def ranked(scored: pd.DataFrame) -> pd.DataFrame:
    """Returns user_id, item_id, rank from 0: by score, of equals what was bought last."""
    order = ["user_id", "score", "timestamp", "item_id"]
    rows = scored.sort_values(order, ascending=[True, False, False, True])
    return rows.assign(rank=rows.groupby("user_id").cumcount())[[*PAIR, "rank"]]


def judged(lists: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Returns recall and ndcg at K of each person with answers."""
    hits = answers.merge(lists[lists["rank"] < K], how="left", on=PAIR)
    hits["gain"] = np.where(hits["rank"].notna(), 1 / np.log2(hits["rank"].fillna(0) + 2), 0)
    users = hits.groupby("user_id")
    n = users.size()
    ideal = np.cumsum(1 / np.log2(np.arange(K) + 2))[np.minimum(n, K) - 1]
    return pd.DataFrame({"recall": users["rank"].count() / n, "ndcg": users.gain.sum() / ideal})


if __name__ == "__main__":
    main()
