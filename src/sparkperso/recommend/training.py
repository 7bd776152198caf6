"""From events to a candidate: search on folds, one test, a refit on everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, USER_ID
from sparkperso.config.recommend import MinimumConfig, RecommendConfig
from sparkperso.errors import QualityGateError
from sparkperso.recommend.als import AlsSetting, ExplicitAls, ImplicitAls
from sparkperso.recommend.comparison import Comparison, compare
from sparkperso.recommend.exam import Exam, prepare_exam, try_ranking, try_rating
from sparkperso.recommend.model import FactorModel
from sparkperso.recommend.popularity import Popularity
from sparkperso.recommend.search import Search, Tried, best_of
from sparkperso.recommend.split import Fold, TrainingSet, latest_ratings, make_folds
from sparkperso.recorder import RunRecorder

PLAIN, TUNED, ALS_IMPLICIT = "popularity", "popularity_tuned", "als_implicit"


@dataclass(frozen=True)
class Found:
    """What the search found on the folds."""

    winner: Tried
    """Best implicit ALS."""
    popularity: Tried
    """Best popularity."""
    plain: Tried
    """The first popularity candidate."""
    explicit: Tried | None
    """Best explicit ALS, where there are ratings."""
    n_candidates: int
    """Implicit candidates tried."""


@dataclass(frozen=True)
class Trained:
    """What training gives: the refitted model, and everything there is to say about it."""

    model: FactorModel
    found: Found
    test: Comparison

    def as_dict(self) -> dict[str, Any]:
        """Returns what a registered version says about its training."""
        winner, explicit = self.found.winner, self.found.explicit
        return {
            "strategy": winner.candidate.strategy,
            "params": winner.candidate.settings,
            "folds": [dict(fold) for fold in winner.folds],
            "popularity": self.found.popularity.candidate.settings,
            "explicit": explicit and {"params": explicit.candidate.settings, "mean": explicit.mean},
            "test": self.test.as_dict(),
        }


@dataclass(frozen=True)
class Trainer:
    """Trains one recommender on what was known at `as_of`."""

    config: RecommendConfig
    setting: AlsSetting
    recorder: RunRecorder
    say: Callable[[str], None]

    def train(self, events: DataFrame, interactions: DataFrame, as_of: datetime) -> Trained:
        """Returns the best implicit candidate of the folds, tested once, refitted on everything.

        Raises QualityGateError when there is too little to train on or to test with.
        """
        require_enough(interactions, self.config.minimum)
        folds, last = make_folds(events, self.config.interactions, self.config.split, as_of)
        test = self._exam(last)
        require_test_users(test, self.config.minimum)
        exams = [self._exam(fold) for fold in folds]
        found = self._search(exams, has_ratings(events))
        for exam in exams:
            exam.release()
        comparison = self._compare(test, found)
        test.release()
        self.say("refitting the winner on everything up to as-of")
        model = found.winner.candidate.fit(TrainingSet(as_of, events, interactions))
        return Trained(model, found, comparison)

    def _exam(self, fold: Fold) -> Exam:
        return prepare_exam(fold, self.config.search.k, self.config.max_driver_items)

    def _search(self, exams: list[Exam], with_ratings: bool) -> Found:
        space, weights = self.config.search, self.config.interactions.weights
        search = Search(exams, self.recorder, space.parallelism, self.say)
        metric = f"ndcg_at_{space.k}"
        popular = [Popularity(params, weights) for params in space.popularity]
        implicit = [ImplicitAls(params, self.setting) for params in space.als_implicit]
        explicit = [ExplicitAls(params, self.setting) for params in space.als_explicit]
        popular_tried = search.run(popular, try_ranking, metric)
        implicit_tried = search.run(implicit, try_ranking, metric)
        explicit_tried = search.run(explicit, try_rating, "rmse") if with_ratings else []
        return Found(
            winner=best_of(implicit_tried, metric),
            popularity=best_of(popular_tried, metric),
            plain=popular_tried[0],
            explicit=best_of(explicit_tried, "rmse", smallest=True) if explicit_tried else None,
            n_candidates=len(implicit_tried),
        )

    def _compare(self, test: Exam, found: Found) -> Comparison:
        """Asks the winner, plain popularity and the best popularity about the unseen part."""
        self.say("testing the winner on the held-out part, beside popularity")
        training = test.fold.training
        models = {
            PLAIN: found.plain.candidate.fit(training),
            TUNED: found.popularity.candidate.fit(training),
            ALS_IMPLICIT: found.winner.candidate.fit(training),
        }
        return compare(models, ALS_IMPLICIT, test, self.config.bootstrap, self.config.seed)


def require_enough(interactions: DataFrame, minimum: MinimumConfig) -> None:
    """Raises QualityGateError when there are fewer users, items or interactions than needed."""
    names = ("users", "items", "interactions")
    counts = interactions.agg(
        F.count_distinct(USER_ID), F.count_distinct(ITEM_ID), F.count(F.lit(1))
    ).first()
    found = dict(zip(names, counts or (0, 0, 0), strict=True))
    lacking = [n for n in names if found[n] < getattr(minimum, n)]
    if lacking:
        raise QualityGateError(
            "Training needs at least " + ", ".join(f"{getattr(minimum, n):,} {n}" for n in names),
            "Found " + ", ".join(f"{found[n]:,} {n}" for n in names),
            "The champion stays as it is. Bring more events, or lower recommend.minimum",
        )


def require_test_users(test: Exam, minimum: MinimumConfig) -> None:
    """Raises QualityGateError when too few users have a right answer on the test."""
    n_users = test.users.count()
    if n_users < minimum.test_users:
        raise QualityGateError(
            f"The test should judge at least {minimum.test_users:,} users",
            f"Only {n_users:,} known users turned to a new item after "
            f"{test.fold.training.as_of:%Y-%m-%d %H:%M}",
            "The champion stays as it is. Bring more events, or lower recommend.minimum.test_users",
        )


def has_ratings(events: DataFrame) -> bool:
    """Says whether there is any rating to train explicit ALS on."""
    return not latest_ratings(events).isEmpty()
