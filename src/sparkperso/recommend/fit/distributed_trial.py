"""One candidate on one fold where no task holds all pairs: fitted and judged by Spark jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from sparkperso.config.recommend.criterion import METRICS
from sparkperso.platform.frames import broadcast
from sparkperso.recommend.arrays.histories import BUCKETS
from sparkperso.recommend.arrays.numbers import Floats
from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.fit.blend_weights import GROUPS, BlendSums, blend_sums
from sparkperso.recommend.fit.fit_strategy import Fitter
from sparkperso.recommend.fit.trial import Broadcasts, peak_rss_mb, read_fold
from sparkperso.recommend.models.base import Fitted
from sparkperso.recommend.scoring.ranking_blocks import Judgement

if TYPE_CHECKING:
    from pyspark import Broadcast


def try_in_frames(params: Any, prepared: PreparedFold, fitter: Fitter) -> dict[str, float]:
    """Returns one candidate's metrics, fit_seconds, score_seconds, peak_rss_mb (of the driver).

    Raises what fitting raises (`fit_failures.FAILURES` say that of the model). Scoring and judging
    are one Spark job.
    """
    start = perf_counter()
    model = fitter.fit_frame(prepared.profiles, params)
    fitted = perf_counter()
    metrics = judge_in_frames(model, prepared, fitter).means(prepared.criterion, prepared.n_items)
    return {
        **metrics,
        "fit_seconds": fitted - start,
        "score_seconds": perf_counter() - fitted,
        "peak_rss_mb": peak_rss_mb(),
    }


def judge_in_frames(model: Fitted, prepared: PreparedFold, fitter: Fitter) -> Judgement:
    """Returns the judgement of a model's lists, made and judged block by block where users are.

    A document of sums per block comes to the driver, no list.
    """
    shared = Broadcasts(fitter.catalogue, {0: prepared.allowed}, prepared.criterion, fitter.setting)
    judged_users = prepared.profiles.where(F.col("n_relevant") > 0)
    with broadcast(judged_users.sparkSession, (model, shared)) as held:
        rows = judged_users.mapInArrow(_judged(held), "document string").collect()
    # In one order, whatever partition came first: sums of floats depend on it.
    parts = sorted(row["document"] for row in rows)
    nothing = np.zeros(len(BUCKETS))
    nobody = Judgement(nothing, dict.fromkeys(METRICS, nothing), frozenset())
    return reduce(add, (_read(json.loads(part)) for part in parts), nobody)


def blend_in_frames(
    parts: Sequence[Any], prepared: PreparedFold, fitter: Fitter, grid: Floats
) -> BlendSums:
    """Returns `blend_weights.blend_sums` of the parts on a fold, worked out where its users are.

    Fits the parts first; raises JobError when one of them cannot be fitted.
    """
    names = {str(place): params for place, params in enumerate(parts)}
    fitted = fitter.fit(prepared.profiles, names)
    shared = Broadcasts(fitter.catalogue, {0: prepared.allowed}, prepared.criterion, fitter.setting)
    models = [fitted[name] for name in names]
    judged_users = prepared.profiles.where(F.col("n_relevant") > 0)
    with broadcast(judged_users.sparkSession, (models, shared)) as held:
        rows = judged_users.mapInArrow(_blended(held, grid), "document string").collect()
    parts_of_sums = [json.loads(document) for document in sorted(row["document"] for row in rows)]
    shape = (GROUPS, len(BUCKETS))
    users = sum((np.array(p["users"]) for p in parts_of_sums), np.zeros(shape, np.int64))
    sums = sum(
        (np.array(p["sums"]) for p in parts_of_sums), np.zeros((len(METRICS), *shape, len(grid)))
    )
    return users, sums


def _blended(
    held: Broadcast[tuple[list[Fitted], Broadcasts]], grid: Floats
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def blended(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        models, shared = held.value
        for batch in batches:
            prepared = read_fold(pa.Table.from_batches([batch]), 0, shared)
            users, sums = blend_sums(models, prepared, grid)
            plain = {"users": users.tolist(), "sums": sums.tolist()}
            yield pa.RecordBatch.from_pydict({"document": [json.dumps(plain)]})

    return blended


def _judged(
    held: Broadcast[tuple[Fitted, Broadcasts]],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def judged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model, shared = held.value
        for batch in batches:
            own = read_fold(pa.Table.from_batches([batch]), 0, shared).judge(model)
            sums = {name: values.tolist() for name, values in own.sums.items()}
            plain = {"users": own.users.tolist(), "sums": sums, "listed": sorted(own.listed)}
            yield pa.RecordBatch.from_pydict({"document": [json.dumps(plain)]})

    return judged


def _read(plain: dict[str, Any]) -> Judgement:
    sums = {name: np.array(values) for name, values in plain["sums"].items()}
    return Judgement(np.array(plain["users"], dtype=float), sums, frozenset(plain["listed"]))
