"""Choosing the settings of each model inside the training part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from sparkperso.config.models import ExplicitParams
from sparkperso.config.recommend import RecommendConfig
from sparkperso.recommend.engines import Fitter
from sparkperso.recommend.exam import Exam, prepare_exam
from sparkperso.recommend.explicit import rating_frame, rating_work
from sparkperso.recommend.search import Search, SearchPlan, learn_blend
from sparkperso.recommend.split import Fold
from sparkperso.recommend.tasks import Shared, chunks_for, in_tasks, union_of
from sparkperso.recommend.tried import Tried, best_of
from sparkperso.recorder import NullRecorder


@dataclass(frozen=True)
class Bench:
    """What all models of a benchmark share."""

    config: RecommendConfig
    k: int
    """Length of the lists that are judged."""
    fitter: Fitter
    item_index: DataFrame
    attributes: DataFrame
    """user_id, attributes."""
    slots: int
    say: Callable[[str], None]

    @property
    def metric(self) -> str:
        """Name of the metric that candidates are chosen by."""
        return f"ndcg_at_{self.k}"

    def exam(self, fold: Fold) -> Exam:
        """Returns a fold made ready for asking."""
        catalogue = self.fitter.catalogue
        return prepare_exam(fold, self.k, catalogue, self.item_index, self.attributes)


def tune(
    bench: Bench, exams: Sequence[Exam], candidates: Sequence[Any], blend: bool
) -> dict[str, Tried]:
    """Returns the best candidate of each model, and with `blend` the hybrid of the best."""
    config = bench.config.search
    allowed = {number: exam.allowed for number, exam in enumerate(exams)}
    held = Shared(bench.fitter.catalogue, allowed, bench.k, bench.fitter.setting)
    shared = bench.item_index.sparkSession.sparkContext.broadcast(held)
    plan = SearchPlan(bench.slots, config.drop_below, config.patience)
    search = Search(exams, shared, plan, NullRecorder(), bench.say, bench.metric, bench.fitter)
    best = best_by_model(search.run(candidates), bench.metric)
    hybrid = blend_of(bench, exams, shared, best) if blend else None
    shared.unpersist()
    return best | ({"hybrid": hybrid} if hybrid else {})


def best_by_model(tried: Sequence[Tried], metric: str) -> dict[str, Tried]:
    """Returns model → its best candidate, models in the order of their first candidates."""
    models = dict.fromkeys(one.params.model for one in tried)
    return {m: best_of([t for t in tried if t.params.model == m], metric) for m in models}


def blend_of(
    bench: Bench, exams: Sequence[Exam], shared: Any, best: Mapping[str, Tried]
) -> Tried | None:
    """Returns the blend of the best models; None with fewer than two that fit one task."""
    config = bench.config.search.hybrid
    whole = [t for t in best.values() if bench.fitter.engine.is_whole(t.params)]
    ranked = sorted(whole, key=lambda one: -one.mean[bench.metric])[: config.max_parts]
    if not config.enabled or len(ranked) < 2:
        return None
    parts = [one.params for one in ranked]
    params, mean = learn_blend(exams, shared, parts, config.steps, config.min_bucket_users)
    bench.say(f"hybrid of {', '.join(p.model for p in parts)}: {bench.metric} {mean:.4f}")
    return Tried("hybrid", params, ({bench.metric: mean},))


def tune_ratings(
    bench: Bench, exams: Sequence[Exam], candidates: Sequence[ExplicitParams]
) -> Tried:
    """Returns the explicit ALS with the smallest mean RMSE on the folds' ratings."""
    found = ask_ratings(bench, [exam.fold for exam in exams], candidates)
    tried = [
        Tried(f"als_explicit_{n + 1}", p, tuple(d for d in found if d["candidate"] == n))
        for n, p in enumerate(candidates)
    ]
    for one in tried:
        bench.say(f"{one.name}: rmse {one.mean['rmse']:.4f}")
    return min(tried, key=lambda one: (one.mean["rmse"] != one.mean["rmse"], one.mean["rmse"]))


def ask_ratings(
    bench: Bench, folds: Sequence[Fold], candidates: Sequence[ExplicitParams]
) -> list[dict[str, Any]]:
    """Returns rmse, mae, dropped_share, fit_seconds, score_seconds of each candidate and fold."""
    chunks = chunks_for(len(candidates), len(folds), bench.slots)
    frame = union_of([rating_frame(fold, bench.item_index) for fold in folds])
    n_items = len(bench.fitter.catalogue)
    work = rating_work(candidates, n_items, bench.config.seed, chunks)
    return sorted(in_tasks(frame, chunks, work), key=lambda d: (d["candidate"], d["fold"]))
