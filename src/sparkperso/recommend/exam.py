"""A fold made ready for asking many models, and one model's answers to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, USER_ID
from sparkperso.errors import JobError
from sparkperso.evaluate.ranking import judge, mean_metrics
from sparkperso.evaluate.rating import rating_metrics
from sparkperso.recommend.als import predict
from sparkperso.recommend.model import FactorModel, Recommender
from sparkperso.recommend.scoring import seen_lists
from sparkperso.recommend.split import Fold

Metrics = dict[str, float]


@dataclass(frozen=True)
class Exam:
    """A fold, the users that it asks about, and the sizes that metrics are relative to."""

    fold: Fold
    k: int
    """Length of the lists that are judged."""
    max_items: int
    """Largest number of items whose factors may be held in one process."""
    users: DataFrame
    """user_id: users with a right answer."""
    seen: DataFrame
    """user_id, seen: the items that these users had in training."""
    item_users: DataFrame
    """item_id, n_users: users who had the item in training."""
    n_items: int
    """Items with an event in training: the catalogue that coverage is a share of."""
    n_train_users: int
    """Users with an interaction in training."""

    def judged(self, model: FactorModel) -> DataFrame:
        """Returns the judged frame of the model's lists, one per user of the exam."""
        lists = model.recommend(self.users, self.seen, self.k, self.max_items)
        return judge(lists, self.fold.relevant, self.item_users)

    def ranking(self, judged: DataFrame) -> Metrics:
        """Returns the ranking metrics of a judged frame, and what was not judged for being cold."""
        found = mean_metrics(judged, [self.k], self.n_items, self.n_train_users)
        return {**found, "cold_user_share": self.fold.cold_user_share}

    def release(self) -> None:
        """Lets go of what is kept in memory."""
        self.users.unpersist()
        self.seen.unpersist()
        self.item_users.unpersist()
        self.fold.release()


def prepare_exam(fold: Fold, k: int, max_items: int) -> Exam:
    """Returns the fold made ready; what every model needs is kept in memory until `release`."""
    pairs = fold.training.interactions
    users = fold.relevant.select(USER_ID).distinct().persist()
    seen = seen_lists(pairs.join(users, USER_ID, how="left_semi")).persist()
    item_users = pairs.groupBy(ITEM_ID).agg(F.count(F.lit(1)).alias("n_users")).persist()
    items = fold.training.events.select(F.count_distinct(ITEM_ID)).first()
    known = pairs.select(F.count_distinct(USER_ID)).first()
    n_items, n_users = items[0] if items else 0, known[0] if known else 0
    return Exam(fold, k, max_items, users, seen, item_users, n_items, n_users)


Trial = Callable[[Recommender, Exam], Metrics]
"""Fits a candidate on an exam's training set and returns its metrics and timings."""


def try_ranking(candidate: Recommender, exam: Exam) -> Metrics:
    """Returns the candidate's ranking metrics, fit_seconds and score_seconds."""
    start = perf_counter()
    model = candidate.fit(exam.fold.training)
    fitted = perf_counter()
    metrics = exam.ranking(exam.judged(model))
    return {**metrics, "fit_seconds": fitted - start, "score_seconds": perf_counter() - fitted}


def try_rating(candidate: Recommender, exam: Exam) -> Metrics:
    """Returns the candidate's rmse, mae, dropped_share (cold rows), fit_ and score_seconds.

    Raises JobError when no rating of the fold can be predicted.
    """
    start = perf_counter()
    model = candidate.fit(exam.fold.training)
    fitted = perf_counter()
    metrics = rating_metrics(predict(model, exam.fold.ratings))
    if metrics["rmse"] != metrics["rmse"]:
        raise JobError(
            "Explicit ALS needs ratings by known users of known items on both sides of a cut",
            f"There are none after the training part of {exam.fold.name}",
            "Set recommend.search.als_explicit to [], or bring more ratings",
        )
    return {**metrics, "fit_seconds": fitted - start, "score_seconds": perf_counter() - fitted}
