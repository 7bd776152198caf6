"""One candidate on one fold where no task holds all pairs: fitted and judged by Spark jobs."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from sparkperso.recommend.engines import Fitter
from sparkperso.recommend.exam import Exam
from sparkperso.recommend.histories import BUCKETS
from sparkperso.recommend.judging import METRICS, Judgement
from sparkperso.recommend.models.base import Fitted
from sparkperso.recommend.tasks import Shared, read_exam

if TYPE_CHECKING:
    from pyspark import Broadcast


def try_in_frames(params: Any, exam: Exam, fitter: Fitter) -> dict[str, float]:
    """Returns metrics, fit_seconds, score_seconds and peak_rss_mb (of the driver)."""
    start = perf_counter()
    model = fitter.fit_frame(exam.profiles, params)
    fitted = perf_counter()
    metrics = judge_in_frames(model, exam, fitter).means(exam.k, exam.n_items)
    return {
        **metrics,
        "fit_seconds": fitted - start,
        "score_seconds": perf_counter() - fitted,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def judge_in_frames(model: Fitted, exam: Exam, fitter: Fitter) -> Judgement:
    """Returns the judgement of a model's lists, made and judged block by block where users are."""
    shared = Shared(fitter.catalogue, {0: exam.allowed}, exam.k, fitter.setting)
    held = exam.profiles.sparkSession.sparkContext.broadcast((model, shared))
    asked = exam.profiles.where(F.col("n_relevant") > 0)
    rows = asked.mapInArrow(_judged(held), "document string").collect()
    parts = sorted(row["document"] for row in rows)
    nothing = np.zeros(len(BUCKETS))
    nobody = Judgement(nothing, dict.fromkeys(METRICS, nothing), frozenset())
    return reduce(add, (_read(json.loads(part)) for part in parts), nobody)


def _judged(
    held: Broadcast[tuple[Fitted, Shared]],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def judged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model, shared = held.value
        for batch in batches:
            found = read_exam(pa.Table.from_batches([batch]), 0, shared).judge(model)
            sums = {name: values.tolist() for name, values in found.sums.items()}
            plain = {"users": found.users.tolist(), "sums": sums, "listed": sorted(found.listed)}
            yield pa.RecordBatch.from_pydict({"document": [json.dumps(plain)]})

    return judged


def _read(plain: dict[str, Any]) -> Judgement:
    sums = {name: np.array(values) for name, values in plain["sums"].items()}
    return Judgement(np.array(plain["users"], dtype=float), sums, frozenset(plain["listed"]))
