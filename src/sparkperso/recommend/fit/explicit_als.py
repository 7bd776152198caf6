"""ALS on ratings (Koren, Bell and Volinsky 2009): what a user would rate, judged by RMSE.

Without biases: a rating is the product of the two factors alone, as in Spark's ALS with
implicitPrefs=False. Its figures stand in the document of a training; no list is made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter, time
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from sparkperso.config.recommend.models import ExplicitParams
from sparkperso.core.columns import ITEM_ID, USER_ID
from sparkperso.evaluate.rating import rating_metrics
from sparkperso.recommend.arrays.histories import flat
from sparkperso.recommend.data.folds import Fold, latest_ratings
from sparkperso.recommend.fit.fit_failures import FAILURES, reason_of
from sparkperso.recommend.fit.trial import Work, peak_rss_mb
from sparkperso.recommend.kernels.als import fit_als, fold_in


def rating_frame(fold: Fold, item_index: DataFrame) -> DataFrame:
    """Returns user_id, items, ratings, later_items, later_ratings: those before the cut, and after.

    One row per user of either side. Items are growing positions, ratings their values; null on the
    side where a user has none.
    """
    before = _lists(latest_ratings(fold.training.events), item_index, "items", "ratings")
    after = _lists(fold.ratings, item_index, "later_items", "later_ratings")
    return before.join(after, USER_ID, how="full")


def rating_work(candidates: Sequence[ExplicitParams], n_items: int, seed: int, chunks: int) -> Work:
    """Returns the work that tries every `chunks`-th candidate on a fold's ratings.

    The document of one that cannot be fitted holds `failure`, why, and no figures.
    """

    def work(fold: int, chunk: int, table: pa.Table) -> list[Any]:
        ordered = table.sort_by(USER_ID)
        train = read_ratings(ordered, "items", "ratings", n_items)
        later = read_ratings(ordered, "later_items", "later_ratings", n_items)

        def attempt(params: ExplicitParams) -> dict[str, Any]:
            began = time()
            try:
                figures = try_rating(params, train, later, seed)
            except FAILURES as error:
                return {"failure": reason_of(error)}
            return {**figures, "began": began, "ended": time()}

        return [
            {"candidate": n, "fold": fold, **attempt(candidates[n])}
            for n in range(chunk, len(candidates), chunks)
        ]

    return work


def try_rating(
    params: ExplicitParams, train: csr_matrix, later: csr_matrix, seed: int
) -> dict[str, float]:
    """Returns rmse, mae, dropped_share, fit_seconds, score_seconds and peak_rss_mb.

    Both matrices are users × items of ratings: those to learn from, and those to predict. Errors
    are in the units of the ratings, NaN when nothing can be predicted; dropped_share is the share
    (0 to 1) of the later ratings whose user or item is unknown.
    """
    start = perf_counter()
    items = fit_als(
        train,
        rank=params.rank,
        reg_param=params.reg_param,
        alpha=0.0,
        max_iter=params.max_iter,
        implicit=False,
        seed=seed,
    )
    users = fold_in(train, items, reg_param=params.reg_param, alpha=0.0, implicit=False)
    fitted = perf_counter()
    # Zero factors are those of users and items without a rating before the cut.
    rows = np.repeat(np.arange(later.shape[0]), np.diff(later.indptr))
    is_known = users[rows].any(axis=1) & items[later.indices].any(axis=1)
    predicted = np.einsum("ij,ij->i", users[rows], items[later.indices], dtype=np.float64)
    return {
        **rating_metrics(np.where(is_known, predicted, np.nan), later.data),
        "fit_seconds": fitted - start,
        "score_seconds": perf_counter() - fitted,
        "peak_rss_mb": peak_rss_mb(),
    }


def read_ratings(table: pa.Table, items: str, values: str, n_items: int) -> csr_matrix:
    """Returns two list columns of a table as users × items, float32; rows as in the table."""
    indptr, places = flat(table, items, np.int32)
    parts = (flat(table, values, np.float32)[1], places, indptr)
    return csr_matrix(parts, shape=(table.num_rows, n_items))


def _lists(ratings: DataFrame, item_index: DataFrame, items: str, values: str) -> DataFrame:
    pair = F.struct("item_index", F.col("rating").cast("float").alias("rating"))
    pairs = ratings.join(item_index, ITEM_ID).groupBy(USER_ID)
    grouped = pairs.agg(F.sort_array(F.collect_list(pair)).alias("pairs"))
    return grouped.select(
        USER_ID,
        F.transform("pairs", lambda p: p["item_index"]).alias(items),
        F.transform("pairs", lambda p: p["rating"]).alias(values),
    )
