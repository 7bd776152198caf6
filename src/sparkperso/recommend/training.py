"""From events to a candidate: search on folds, a blend, one test, a refit on everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, USER_ID
from sparkperso.config.models import HybridParams, PopularityParams
from sparkperso.config.recommend import MinimumConfig, RecommendConfig
from sparkperso.errors import QualityGateError
from sparkperso.recommend.catalogue import Catalogue
from sparkperso.recommend.comparison import Comparison, compare
from sparkperso.recommend.engines import Fitter
from sparkperso.recommend.exam import Exam, prepare_exam
from sparkperso.recommend.explicit import rating_frame, rating_work
from sparkperso.recommend.models.base import Fitted
from sparkperso.recommend.profiles import profile_frame
from sparkperso.recommend.search import Search, SearchPlan, learn_blend
from sparkperso.recommend.space import grid, sample
from sparkperso.recommend.split import latest_ratings, make_folds
from sparkperso.recommend.tasks import Shared, chunks_for, in_tasks, union_of
from sparkperso.recommend.tried import Tried, best_of
from sparkperso.recorder import RunRecorder

PLAIN, TUNED, CHAMPION = "popularity", "popularity_tuned", "champion"


@dataclass(frozen=True)
class Found:
    """What the search found on the folds."""

    tried: tuple[Tried, ...]
    """All candidates."""
    best: Mapping[str, Tried]
    """Model → its best candidate."""
    hybrid: Tried | None
    """The blend of the best, with its mean on the folds."""
    explicit: Tried | None
    """Best explicit ALS, where there are ratings."""

    def ranked(self, metric: str) -> list[Tried]:
        """Returns the best of each model and the blend, best first."""
        contenders = [*self.best.values(), *([self.hybrid] if self.hybrid else [])]
        return sorted(contenders, key=lambda one: -one.mean[metric])


@dataclass(frozen=True)
class Trained:
    """What training gives: the refitted model, and everything there is to say about it."""

    model: Fitted
    als: Any
    """The best ALS (an AlsModel), for the factor tables; None when none was tried."""
    winner: Tried
    found: Found
    test: Comparison
    champion_version: str | None

    def as_dict(self) -> dict[str, Any]:
        """Returns what a registered version says about its training."""
        explicit = self.found.explicit
        return {
            "strategy": self.winner.params.model,
            "params": self.winner.params.model_dump(mode="json"),
            "folds": [dict(fold) for fold in self.winner.folds],
            "best": {n: t.params.model_dump(mode="json") for n, t in self.found.best.items()},
            "popularity": self.found.best["popularity"].params.model_dump(mode="json"),
            "explicit": explicit
            and {"params": explicit.params.model_dump(), "mean": explicit.mean},
            "test": {**self.test.as_dict(), "champion_version": self.champion_version},
        }


@dataclass(frozen=True)
class Inputs:
    """What is known when training starts."""

    events: DataFrame
    interactions: DataFrame
    item_index: DataFrame
    attributes: DataFrame
    """user_id, attributes."""
    as_of: datetime
    champion: tuple[str, Any] | None = None
    """Version and settings of the champion: fitted beside the others for the test."""


@dataclass(frozen=True)
class Trainer:
    """Trains one recommender on what was known at `as_of`."""

    config: RecommendConfig
    catalogue: Catalogue
    fitter: Fitter
    slots: int
    recorder: RunRecorder
    say: Callable[[str], None]

    @property
    def metric(self) -> str:
        """Name of the metric that candidates are chosen by."""
        return f"ndcg_at_{self.config.search.k}"

    def train(self, inputs: Inputs) -> Trained:
        """Returns the best candidate of the folds, tested once, refitted on everything.

        Raises QualityGateError when there is too little to train on or to test with.
        """
        require_enough(inputs.interactions, self.config.minimum)
        parts = (self.config.interactions, self.config.split, inputs.as_of)
        folds, last = make_folds(inputs.events, *parts)
        test = self._exam(last, inputs)
        require_test_users(test, self.config.minimum)
        exams = [self._exam(fold, inputs) for fold in folds]
        found = self._search(exams, inputs)
        for exam in exams:
            exam.release()
        winner, comparison = self._test(test, found, inputs.champion)
        test.release()
        self.say(f"refitting {winner.name} on everything up to as-of")
        wanted = {"winner": winner.params}
        if "als_implicit" in found.best:
            # Without a prior: the factors are for similar items, and for others to use.
            als = found.best["als_implicit"].params
            wanted["als"] = als.model_copy(update={"prior_half_life_days": None})
        models = self.fitter.fit(everybody(inputs), wanted)
        version = inputs.champion[0] if inputs.champion else None
        return Trained(models["winner"], models.get("als"), winner, found, comparison, version)

    def _exam(self, fold: Any, inputs: Inputs) -> Exam:
        k = self.config.search.k
        return prepare_exam(fold, k, self.catalogue, inputs.item_index, inputs.attributes)

    def candidates(self) -> list[Any]:
        """Returns what the configuration asks to try; plain popularity first."""
        space, search = self.config.search.space, self.config.search
        if search.method == "grid":
            drawn = grid(space)
        else:
            drawn = sample(space, search.n_candidates, self.config.seed)
        return list(dict.fromkeys([PopularityParams(), *drawn]))

    def _search(self, exams: list[Exam], inputs: Inputs) -> Found:
        config = self.config.search
        allowed = {number: exam.allowed for number, exam in enumerate(exams)}
        held = Shared(self.catalogue, allowed, config.k, self.fitter.setting)
        shared = inputs.events.sparkSession.sparkContext.broadcast(held)
        plan = SearchPlan(self.slots, config.drop_below, config.patience)
        search = Search(exams, shared, plan, self.recorder, self.say, self.metric, self.fitter)
        tried = search.run(self.candidates())
        models = list(dict.fromkeys(one.params.model for one in tried))
        best = {
            m: best_of([one for one in tried if one.params.model == m], self.metric) for m in models
        }
        hybrid = self._blend(exams, shared, best)
        explicit = self._explicit(exams, inputs)
        shared.unpersist()
        return Found(tuple(tried), best, hybrid, explicit)

    def _blend(self, exams: list[Exam], shared: Any, best: Mapping[str, Tried]) -> Tried | None:
        """Returns the blend of the best models, learned on the folds."""
        config = self.config.search.hybrid
        whole = [t for t in best.values() if self.fitter.engine.is_whole(t.params)]
        ranked = sorted(whole, key=lambda one: -one.mean[self.metric])[: config.max_parts]
        if not config.enabled or len(ranked) < 2:
            return None
        parts = [one.params for one in ranked]
        params, mean = learn_blend(exams, shared, parts, config.steps, config.min_bucket_users)
        self.say(f"hybrid of {', '.join(p.model for p in parts)}: {self.metric} {mean:.4f}")
        with self.recorder.child("hybrid") as run:
            run.log_params({"strategy": "hybrid", **params.model_dump()})
            run.log_metrics({f"mean_{self.metric}": mean})
        return Tried("hybrid", params, ({self.metric: mean},))

    def _explicit(self, exams: list[Exam], inputs: Inputs) -> Tried | None:
        """Returns the explicit candidate with the smallest RMSE; None without ratings."""
        candidates = self.config.search.explicit
        if not candidates or latest_ratings(inputs.events).isEmpty():
            return None
        chunks = chunks_for(len(candidates), len(exams), self.slots)
        frame = union_of([rating_frame(exam.fold, inputs.item_index) for exam in exams])
        work = rating_work(candidates, len(self.catalogue), self.config.seed, chunks)
        found = sorted(in_tasks(frame, chunks, work), key=lambda d: (d["candidate"], d["fold"]))
        tried = [
            Tried(f"als_explicit_{n + 1}", p, tuple(d for d in found if d["candidate"] == n))
            for n, p in enumerate(candidates)
        ]
        for one in tried:
            self.say(f"{one.name}: rmse {one.mean['rmse']:.4f}")
            with self.recorder.child(one.name) as run:
                run.log_params({"strategy": "als_explicit", **one.params.model_dump()})
                run.log_metrics({f"mean_{key}": value for key, value in one.mean.items()})
        return min(tried, key=lambda one: (one.mean["rmse"] != one.mean["rmse"], one.mean["rmse"]))

    def _test(
        self, test: Exam, found: Found, champion: tuple[str, Any] | None
    ) -> tuple[Tried, Comparison]:
        """Asks the best of each model about the unseen part.

        A blend that is not better there than its best part gives way to it.
        """
        self.say("testing the best of each model on the held-out part")
        contenders = {one.params.model: one.params for one in found.best.values()}
        contenders |= {PLAIN: PopularityParams(), TUNED: found.best["popularity"].params}
        contenders |= {"hybrid": found.hybrid.params} if found.hybrid else {}
        contenders |= {CHAMPION: champion[1]} if champion else {}
        models = self.fitter.fit(test.profiles, contenders)
        first, *others = found.ranked(self.metric)
        comparison = self._compare(models, first, test)
        if isinstance(first.params, HybridParams) and others:
            part = others[0]
            if comparison.gains[self._name(part)].mean <= 0:
                self.say(f"the hybrid is no better than {part.name} on the test: {part.name} it is")
                return part, self._compare(models, part, test)
        return first, comparison

    def _compare(self, models: Mapping[str, Fitted], winner: Tried, test: Exam) -> Comparison:
        resampling = (self.config.bootstrap, self.config.seed)
        return compare(models, self._name(winner), test, self.catalogue, resampling)

    def _name(self, tried: Tried) -> str:
        """Returns the name that a contender has in the test."""
        return TUNED if tried.params.model == "popularity" else str(tried.params.model)


def everybody(inputs: Inputs) -> DataFrame:
    """Returns the profiles of all users as of `as_of`."""
    return profile_frame(inputs.interactions, inputs.item_index, inputs.attributes, inputs.as_of)


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
    n_users = test.judged_users.count()
    if n_users < minimum.test_users:
        raise QualityGateError(
            f"The test should judge at least {minimum.test_users:,} users",
            f"Only {n_users:,} known users turned to a new item after "
            f"{test.fold.training.as_of:%Y-%m-%d %H:%M}",
            "The champion stays as it is. Bring more events, or lower recommend.minimum.test_users",
        )
