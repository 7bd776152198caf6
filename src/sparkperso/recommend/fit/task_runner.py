"""Work inside Spark tasks: whole fits on groups of profile rows, and blocks of users scored.

A group (one fold, some candidates) comes to one task as Arrow lists, which are the rows of a
sparse matrix as they stand. What goes back to the driver is figures, or item-sized arrays.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.accumulators import AccumulatorParam
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.errors import JobError
from sparkperso.core.threads import one_thread
from sparkperso.platform.frames import broadcast
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories, read_histories
from sparkperso.recommend.fit.fit_failures import FAILURES, reason_of
from sparkperso.recommend.fit.trial import Work
from sparkperso.recommend.models import fit_model, load_model
from sparkperso.recommend.models.base import FitSetting, Fitted
from sparkperso.recommend.models.model_arrays import from_rows, to_rows

if TYPE_CHECKING:
    from pyspark import SparkContext

FITS = (
    ("model", pa.string()),
    ("name", pa.string()),
    ("block", pa.int32()),
    ("data", pa.binary()),
    ("failure", pa.string()),
)
FIT_SCHEMA = ", ".join(f"{name} {'int' if name == 'block' else kind}" for name, kind in FITS)
OnDone = Callable[[Any], None]
"""Gets each document of a piece of work when that ends, from any thread."""


def ignore(document: Any) -> None:
    """Does nothing with a document: who waits for all of them needs none before."""


class _Documents(AccumulatorParam[list[str]]):
    """Brings documents (JSON) to the driver when their task ends, and keeps none.

    A job's result comes when its last task has ended: too late to show how far it is.
    """

    def __init__(self, on_done: OnDone) -> None:
        self._on_done: OnDone | None = on_done

    def __getstate__(self) -> dict[str, Any]:
        return {"_on_done": None}  # a task only collects: the driver has the callback

    def zero(self, value: list[str]) -> list[str]:
        return []

    def addInPlace(self, value1: list[str], value2: list[str]) -> list[str]:  # noqa: N802
        if self._on_done is None:
            return value1 + value2
        for document in value2:
            # What cannot be shown is no reason to break off the way that all accumulators share.
            with suppress(Exception):
                self._on_done(json.loads(document))
        return value1

    def release(self) -> None:
        """Forgets whom to tell: PySpark never forgets an accumulator."""
        self._on_done = ignore


def in_tasks(
    frames: Mapping[int, DataFrame], chunks: int, work: Work, on_done: OnDone = ignore
) -> list[Any]:
    """Returns what `work` gives for each (fold, chunk): the rows of each fold go to `chunks` tasks.

    `frames` is fold → its rows, all of the same columns; there are as many tasks as (fold, chunk)
    pairs. Documents are what JSON can hold, in no order. `on_done` gets the documents of a task
    when it ends; those of a task that Spark carries out twice come twice.
    """
    context = next(iter(frames.values())).sparkSession.sparkContext
    receiver = _Documents(on_done)
    # Nothing is sent twice where nobody waits for it.
    documents = None if on_done is ignore else context.accumulator([], receiver)
    numbered = [frame.withColumn("fold", F.lit(fold)) for fold, frame in frames.items()]
    copies = F.explode(F.array(*(F.lit(n) for n in range(chunks)))).alias("chunk")
    spread = reduce(DataFrame.unionByName, numbered).select("*", copies)

    def task(key: tuple[pa.Scalar, ...], table: pa.Table) -> pa.Table:
        fold, chunk = (int(part.as_py()) for part in key)
        # Spark runs a task per core: BLAS's own threads would fight over them.
        with one_thread():
            results = [json.dumps(document) for document in work(fold, chunk, table)]
        if documents is not None:
            documents.add(results)
        return pa.table({"document": pa.array(results, pa.string())})

    spread = spread.repartition(len(frames) * chunks, "fold", "chunk")
    try:
        rows = spread.groupBy("fold", "chunk").applyInArrow(task, "document string").collect()
    finally:
        receiver.release()
    return [json.loads(row["document"]) for row in rows]


def in_threads(
    held: Mapping[int, Any], chunks: int, work: Work, on_done: OnDone = ignore
) -> list[Any]:
    """Returns what `in_tasks` does, from work in this process: `held` is fold → its rows.

    As many pieces at a time as there are cores, one chunk after the other, so that a candidate
    is soon complete on all folds.
    """
    pieces = [(fold, chunk) for chunk in range(chunks) for fold in held]

    def do(piece: tuple[int, int]) -> list[Any]:
        fold, chunk = piece
        # Through JSON, as from a task: keys become text, floats keep their digits.
        documents: list[Any] = json.loads(json.dumps(work(fold, chunk, held[fold])))
        for document in documents:
            on_done(document)
        return documents

    with one_thread(), ThreadPoolExecutor(at_a_time(len(pieces))) as pool:
        return [document for documents in pool.map(do, pieces) for document in documents]


def at_a_time(n_pieces: int) -> int:
    """Returns how many of some pieces of work are to run at a time in this process: 1 … cores."""
    return max(1, min(n_pieces, os.cpu_count() or 1))


def fit_in_tasks(
    profiles: DataFrame, candidates: Mapping[str, Any], catalogue: Catalogue, setting: FitSetting
) -> dict[str, Fitted]:
    """Returns models fitted on all profiles with a history, each by a task of its own.

    Name of the settings → model. Each task holds all profiles; arrays (item-sized) come to the
    driver. Raises JobError when one cannot be fitted.
    """
    return _all_of(candidates, try_fit_in_tasks(profiles, candidates, catalogue, setting))


def fit_here(
    profiles: pa.Table, candidates: Mapping[str, Any], catalogue: Catalogue, setting: FitSetting
) -> dict[str, Fitted]:
    """Returns what `fit_in_tasks` does, fitted in this process on profiles in memory."""
    users = read_histories(profiles, len(catalogue))
    return _all_of(candidates, try_fit_here(users, candidates, catalogue, setting))


def _all_of(
    candidates: Mapping[str, Any], outcome: tuple[dict[str, Fitted], dict[str, str]]
) -> dict[str, Fitted]:
    fitted, failed = outcome
    if failed:
        why = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        raise JobError(f"{', '.join(candidates)} should be fitted", why)
    return fitted


def try_fit_in_tasks(
    profiles: DataFrame, candidates: Mapping[str, Any], catalogue: Catalogue, setting: FitSetting
) -> tuple[dict[str, Fitted], dict[str, str]]:
    """Returns the models that can be fitted, as `fit_in_tasks`, and why the others cannot."""
    if not candidates:
        return {}, {}
    spark = profiles.sparkSession
    names = list(candidates)
    params = dict(candidates)
    setting = replace(setting, threads=idle_threads(spark.sparkContext, len(names)))

    def task(key: tuple[pa.Scalar, ...], table: pa.Table) -> pa.Table:
        name = key[0].as_py()
        users = read_histories(table, len(held.value))
        rows: list[tuple[Any, ...]]
        try:
            with one_thread():
                model = fit_model(params[name], users, held.value, setting)
            rows = [(name, *row, None) for row in to_rows(model.arrays())]
        except FAILURES as error:
            rows = [(name, None, None, None, reason_of(error))]
        columns = zip(FITS, zip(*rows, strict=True), strict=True)
        return pa.table({n: pa.array(values, kind) for (n, kind), values in columns})

    # A copy of all rows per model, each to one task: a task's group is a whole training.
    copies = F.explode(F.array(*(F.lit(name) for name in names))).alias("model")
    train = profiles.where(F.size("items") > 0).select("*", copies)
    grouped = train.repartition(len(names), "model").groupBy("model")
    with broadcast(spark, catalogue) as held:
        rows = grouped.applyInArrow(task, FIT_SCHEMA).collect()
    failed = {r["model"]: r["failure"] for r in rows if r["failure"] is not None}
    own = {
        n: [(r["name"], r["block"], bytes(r["data"])) for r in rows if r["model"] == n]
        for n in names
        if n not in failed
    }
    return {name: load_model(params[name], from_rows(own[name])) for name in own}, failed


def try_fit_here(
    users: Histories, candidates: Mapping[str, Any], catalogue: Catalogue, setting: FitSetting
) -> tuple[dict[str, Fitted], dict[str, str]]:
    """Returns what `try_fit_in_tasks` does, fitted in this process."""
    if not candidates:
        return {}, {}
    # Once for all: models share what is worked out of it, such as its preferences.
    training, workers = users.training, at_a_time(len(candidates))
    setting = replace(setting, threads=max(1, (os.cpu_count() or 1) // workers))

    def fit(params: Any) -> Fitted | str:
        try:
            return fit_model(params, training, catalogue, setting)
        except FAILURES as error:
            return reason_of(error)

    with one_thread(), ThreadPoolExecutor(workers) as pool:
        fits = dict(zip(candidates, pool.map(fit, candidates.values()), strict=True))
    failed = {name: one for name, one in fits.items() if isinstance(one, str)}
    return {n: one for n, one in fits.items() if not isinstance(one, str)}, failed


def idle_threads(context: SparkContext, n_tasks: int) -> int:
    """Returns the threads that each of a job's few tasks may use: an executor's cores among them.

    Fewer tasks than cores would leave the other cores idle. At least 1; the result of a fit does
    not depend on it.
    """
    is_local = str(context.master).startswith("local")
    cores = context.getConf().get("spark.executor.cores", "1") or "1"
    return max(1, (context.defaultParallelism if is_local else int(cores)) // max(n_tasks, 1))


def chunks_for(n_candidates: int, n_folds: int, slots: int) -> int:
    """Returns into how many tasks a fold's candidates are cut: about four per slot in all.

    Fewer tasks would leave slots idle at the end, more would copy the fold's rows more often.

    >>> chunks_for(n_candidates=40, n_folds=2, slots=4)
    8
    """
    return max(1, min(n_candidates, -(-4 * slots // max(n_folds, 1))))
