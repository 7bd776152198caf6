"""train-recommender: search, test and refit, everything recorded; the winner is a candidate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.config import config_hash
from sparkperso.config.models import parse_params
from sparkperso.errors import JobError
from sparkperso.jobs.command import run_step
from sparkperso.jobs.context import Job, Summary
from sparkperso.jobs.people import known_persons
from sparkperso.jobs.step import Step
from sparkperso.recommend.catalogue import Catalogue
from sparkperso.recommend.engines import Fitter, make_fitter
from sparkperso.recommend.indexes import new_index_rows
from sparkperso.recommend.interactions import time_of
from sparkperso.recommend.lists import item_factor_frame, user_factor_frame
from sparkperso.recommend.profiles import UserAttributes, load_catalogue
from sparkperso.recommend.storage import to_rows
from sparkperso.recommend.training import (
    CHAMPION,
    PLAIN,
    TUNED,
    Inputs,
    Trained,
    Trainer,
    everybody,
    require_enough,
)

MODEL = "recommender"
EVENTS, INTERACTIONS, ITEMS = "silver/events", "gold/interactions", "silver/items"
MODEL_ARRAYS = "gold/model_arrays"
USER_INDEX, ITEM_INDEX = "gold/user_index", "gold/item_index"
USER_FACTORS, ITEM_FACTORS = "gold/als_user_factors", "gold/als_item_factors"


def train_recommender(job: Job) -> Summary:
    """Trains on everything up to as-of and registers the winner under the alias `candidate`."""
    config = job.settings.recommend
    inputs = read_inputs(job)
    require_enough(inputs.interactions, config.minimum)
    catalogue = load_catalogue(inputs.item_index, job.read(ITEMS), config.max_driver_items)
    slots = job.spark.sparkContext.defaultParallelism
    with job.tracking.run("train-recommender", f"as of {job.as_of:%Y-%m-%d}") as run:
        run.set_tags(facts(job))
        fits = fitter(job, inputs, catalogue)
        run.set_tags({"engine": fits.engine.name, "engine_reason": fits.engine.reason})
        trainer = Trainer(config, fits, slots, run, job.say)
        trained = trainer.train(inputs)
        winner = trained.winner
        run.log_params({"winner": winner.name, **winner.params.model_dump()})
        run.log_metrics(test_metrics(trained))
        document = {
            **trained.as_dict(),
            **facts(job),
            "engine": fits.engine.name,
            **write_model(job, trained, inputs, catalogue),
        }
        document["config"] = config.model_dump(mode="json")
        version = job.tracking.register(MODEL, run.run_id, document)
    job.tracking.set_alias(MODEL, "candidate", version)
    return summarise(trained, version)


def read_inputs(job: Job) -> Inputs:
    """Returns what is known up to as-of, every item numbered; the champion's settings beside it."""
    events = job.read(EVENTS).where(F.col(TIMESTAMP) <= time_of(job.as_of))
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
    last = interactions.agg((F.max("last_at") > time_of(job.as_of)).alias("later")).first()
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


def write_model(job: Job, trained: Trained, inputs: Inputs, catalogue: Catalogue) -> dict[str, Any]:
    """Writes the model's arrays, and ALS's factors, under a new model version.

    Returns where they are, for the document.
    """
    settings = trained.winner.params.model_dump(mode="json")
    facts_text = json.dumps([facts(job), settings], sort_keys=True)
    model_version = hashlib.sha256(facts_text.encode()).hexdigest()[:12]
    arrays = list(to_rows(trained.model.arrays()))
    frames = {
        MODEL_ARRAYS: job.spark.createDataFrame(arrays, "name string, block int, data binary")
    }
    if trained.als is not None:
        profiles = everybody(inputs)
        frames[ITEM_FACTORS] = item_factor_frame(job.spark, trained.als, catalogue)
        frames[USER_FACTORS] = user_factor_frame(profiles, trained.als)
    for table in (MODEL_ARRAYS, ITEM_FACTORS, USER_FACTORS):
        writer = job.writer(table)
        writer.create()
        if table in frames:
            rows = frames[table].select(F.lit(model_version).alias("model_version"), "*")
            writer.overwrite(rows, where=f"model_version = '{model_version}'")
    versions = {table: job.lake.ref(table).version() for table in frames}
    return {"model_version": model_version, "n_items": len(catalogue), "tables": versions}


def facts(job: Job) -> dict[str, Any]:
    """Returns what the model depends on: as-of, input versions, configuration."""
    versions = {f"input {table}": job.lake.inputs[table] for table in (EVENTS, INTERACTIONS)}
    hashed = config_hash(job.settings.recommend)
    return {"as_of": job.as_of.isoformat(), "config_hash": hashed, **versions}


def test_metrics(trained: Trained) -> dict[str, float]:
    """Returns the test's figures under the names to log: test_<model>_<metric>."""
    test = trained.test
    figures = {f"test_{m}_{k}": v for m, values in test.metrics.items() for k, v in values.items()}
    for name, gain in test.gains.items():
        figures |= {f"test_gain_over_{name}_{k}": v for k, v in gain.as_dict().items()}
    return figures


def summarise(trained: Trained, version: str) -> Summary:
    """Returns the figures to print."""
    test = trained.test
    metric = test.metric.replace("ndcg_at_", "nDCG@")
    return {
        "candidates": len(trained.found.tuned.tried),
        "winner": trained.winner.name,
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
    outputs=(USER_INDEX, ITEM_INDEX, MODEL_ARRAYS, USER_FACTORS, ITEM_FACTORS),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
