"""train-recommender: search, test and refit, everything recorded; the winner is a candidate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config import config_hash
from sparkperso.config.models import parse_params
from sparkperso.core.columns import ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.core.errors import JobError
from sparkperso.jobs.build_segments.profiles import known_persons
from sparkperso.jobs.train_recommender.model_tables import (
    ITEM_FACTORS,
    ITEM_INDEX,
    MODEL_ARRAYS,
    USER_FACTORS,
    digest_of,
    model_rows,
    write_once,
)
from sparkperso.pipeline.code import code_version
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.literals import instant
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.data.id_index import new_index_rows
from sparkperso.recommend.data.user_histories import UserAttributes, load_catalogue
from sparkperso.recommend.fit.fit_strategy import Fitter, make_fitter
from sparkperso.recommend.lists.recommendation_rows import item_factor_frame, user_factor_frame
from sparkperso.recommend.models.model_arrays import Row, to_rows
from sparkperso.recommend.training import (
    CHAMPION,
    PLAIN,
    TUNED,
    Inputs,
    Trainer,
    TrainingResult,
    candidates,
    everybody,
    require_enough,
)

MODEL = "recommender"
EVENTS, INTERACTIONS, ITEMS = "silver/events", "gold/interactions", "silver/items"
USER_INDEX = "gold/user_index"


def train_recommender(job: Job) -> Summary:
    """Trains on everything up to as-of and registers the winner under the alias `candidate`."""
    config = job.settings.recommend
    inputs = read_inputs(job)
    require_enough(inputs.interactions, config.minimum)
    catalogue = load_catalogue(inputs.item_index, job.read(ITEMS), config.max_driver_items)
    slots = job.spark.sparkContext.defaultParallelism
    known = facts(job)
    with job.tracking.run("train-recommender", f"as of {job.as_of:%Y-%m-%d}") as run:
        run.set_tags(known)
        fits = fitter(job, inputs, catalogue)
        run.set_tags({"engine": fits.engine.name, "engine_reason": fits.engine.reason})
        trainer = Trainer(config, fits, slots, run, job.say)
        trained = trainer.train(inputs)
        winner = trained.winner
        run.log_params({"winner": winner.name, **winner.params.model_dump()})
        run.log_metrics(test_metrics(trained))
        known["engine"] = fits.engine.name
        document = {**trained.as_dict(), **known}
        document |= write_model(job, trained, known, (inputs, catalogue))
        document["config"] = config.model_dump(mode="json")
        version = job.tracking.register(MODEL, run.run_id, document)
    job.tracking.set_alias(MODEL, "candidate", version)
    return summarise(trained, version)


def read_inputs(job: Job) -> Inputs:
    """Returns what is known up to as-of, every item numbered; the champion's settings beside it."""
    events = job.read(EVENTS).where(F.col(TIMESTAMP) <= instant(job.as_of))
    interactions = read_interactions(job)
    extend_index(job, USER_INDEX, interactions, USER_ID)
    known = interactions.select(ITEM_ID).union(job.read(ITEMS).select(ITEM_ID))
    return Inputs(
        events,
        interactions,
        extend_index(job, ITEM_INDEX, known, ITEM_ID),
        UserAttributes(known_persons(job, events)),
        job.as_of,
        champion_settings(job),
    )


def champion_settings(job: Job) -> tuple[str, Any] | None:
    """Returns version and settings of the champion; None without one."""
    champion = job.tracking.by_alias(MODEL, "champion")
    if champion is None:
        return None
    return champion.version, parse_params(champion.document["params"])


def fitter(job: Job, inputs: Inputs, catalogue: Catalogue) -> Fitter:
    """Returns what fits the models, and says which engine it took and why."""
    config = job.settings.recommend
    n_pairs = inputs.interactions.count()
    found = make_fitter(config, catalogue, n_pairs)
    job.say(f"engine {found.engine.name}: {found.engine.reason}")
    return found


def read_interactions(job: Job) -> DataFrame:
    """Returns gold/interactions; raises JobError when it holds anything later than as-of."""
    interactions = job.read(INTERACTIONS)
    last = interactions.agg((F.max("last_at") > instant(job.as_of)).alias("later")).first()
    if last is not None and last["later"]:
        raise JobError(
            f"gold/interactions should hold nothing later than {job.as_of} (--as-of)",
            "It was built as of a later time",
            f"Run 'sparkperso build-features --as-of {job.as_of.isoformat()}' first",
        )
    return interactions


def extend_index(job: Job, table: str, interactions: DataFrame, id_column: str) -> DataFrame:
    """Appends ids that the index lacks and returns the whole index."""
    number = TABLE_INDEX[table]
    known = job.lake.ref(table).read()
    rows = new_index_rows(known, interactions, id_column, number)
    writer = job.writer(table)
    writer.create()
    if not rows.isEmpty():
        writer.append(rows)
    return job.lake.ref(table).read()


def write_model(
    job: Job, trained: TrainingResult, known: Mapping[str, Any], given: tuple[Inputs, Catalogue]
) -> dict[str, Any]:
    """Writes the model's arrays, and ALS's factors, under a new model version.

    Returns where they are and a digest of them, for the document; `known` says what they depend on
    besides the models' settings.
    """
    inputs, catalogue = given
    arrays = list(to_rows(trained.model.arrays()))
    settings = {name: trained.as_dict()[name] for name in ("params", "best")}
    model_version = version_of({**known, **settings}, arrays, catalogue)
    frames = {
        MODEL_ARRAYS: job.spark.createDataFrame(arrays, "name string, block int, data binary")
    }
    if trained.als is not None:
        profiles = everybody(inputs)
        frames[ITEM_FACTORS] = item_factor_frame(job.spark, trained.als, catalogue)
        frames[USER_FACTORS] = user_factor_frame(profiles, trained.als)
    for table in (MODEL_ARRAYS, ITEM_FACTORS, USER_FACTORS):
        if table in frames:
            write_once(job, table, model_version, frames[table])
        else:
            job.writer(table).create()
    n_items = len(catalogue)
    versions = {t: job.lake.ref(t).version() for t in (*frames, ITEM_INDEX)}
    digests = {
        t: digest_of(model_rows(job.lake.ref(t).read(v), t, model_version, n_items))
        for t, v in versions.items()
    }
    return {
        "model_version": model_version,
        "n_items": n_items,
        "tables": versions,
        "digests": digests,
    }


def version_of(basis: Mapping[str, Any], arrays: Iterable[Row], catalogue: Catalogue) -> str:
    """Returns the model version: a hash of what was trained on and with, and of what came of it.

    The arrays and the items' ids are hashed too, so that no two models of different content share
    a version whatever `basis` does not name.
    """
    text = json.dumps(basis, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode())
    for name, block, data in arrays:
        digest.update(f"\n{name} {block} {len(data)}\n".encode())
        digest.update(data)
    digest.update("\n".join(catalogue.ids).encode())
    return digest.hexdigest()[:12]


def facts(job: Job) -> dict[str, Any]:
    """Returns what the model depends on: as-of, versions of inputs and code, configuration."""
    return {
        "as_of": job.as_of.isoformat(),
        "config_hash": config_hash(job.settings.recommend),
        "sparkperso": code_version(),
        **{f"input {table}": version for table, version in sorted(job.lake.inputs.items())},
    }


def test_metrics(trained: TrainingResult) -> dict[str, float]:
    """Returns the test's figures under the names to log: test_<model>_<metric>."""
    test = trained.test
    figures = {f"test_{m}_{k}": v for m, values in test.metrics.items() for k, v in values.items()}
    for name, gain in test.gains.items():
        figures |= {f"test_gain_over_{name}_{k}": v for k, v in gain.as_dict().items()}
    return figures


def summarise(trained: TrainingResult, version: str) -> Summary:
    """Returns the figures to print."""
    test = trained.test
    metric = test.metric.replace("ndcg_at_", "nDCG@")
    left_out = {**trained.found.tuned.left_out, **trained.not_tested}
    return {
        "candidates": len(trained.found.tuned.tried),
        "winner": trained.winner.name,
        **({"left out": ", ".join(left_out)} if left_out else {}),
        **{f"test {metric} {name}": str(i) for name, i in test.intervals.items()},
        **{f"gain over {name}": str(test.gains[name]) for name in shown(test.gains)},
        "version": version,
    }


def shown(gains: Mapping[str, Any]) -> list[str]:
    """Returns the baselines whose gains are printed; the rest are in MLflow."""
    return [name for name in (PLAIN, TUNED, CHAMPION) if name in gains]


TABLE_INDEX = {USER_INDEX: "user_index", ITEM_INDEX: "item_index"}

STEP = Step(
    name="train-recommender",
    action=train_recommender,
    inputs=(EVENTS, INTERACTIONS, ITEMS),
    check=lambda settings: candidates(settings.recommend),
    outputs=(USER_INDEX, ITEM_INDEX, MODEL_ARRAYS, USER_FACTORS, ITEM_FACTORS),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
