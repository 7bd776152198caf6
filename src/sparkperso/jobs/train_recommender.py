"""train-recommender: search, test and refit, everything recorded; the winner is a candidate."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.config import config_hash
from sparkperso.errors import JobError
from sparkperso.jobs.command import run_step
from sparkperso.jobs.context import Job, Summary
from sparkperso.jobs.step import Step
from sparkperso.recommend.als import AlsSetting
from sparkperso.recommend.indexes import new_index_rows
from sparkperso.recommend.interactions import time_of
from sparkperso.recommend.training import Trained, Trainer, require_enough

MODEL = "recommender"
EVENTS, INTERACTIONS = "silver/events", "gold/interactions"
USER_INDEX, ITEM_INDEX = "gold/user_index", "gold/item_index"
USER_FACTORS, ITEM_FACTORS = "gold/als_user_factors", "gold/als_item_factors"


def train_recommender(job: Job) -> Summary:
    """Trains on everything up to as-of and registers the winner under the alias `candidate`."""
    config = job.settings.recommend
    events = job.read(EVENTS).where(F.col(TIMESTAMP) <= time_of(job.as_of))
    interactions = read_interactions(job)
    require_enough(interactions, config.minimum)
    setting = AlsSetting(
        extend_index(job, USER_INDEX, interactions, USER_ID),
        extend_index(job, ITEM_INDEX, interactions, ITEM_ID),
        config.interactions.weights,
        config.seed,
        config.num_blocks,
    )
    with job.tracking.run("train-recommender", f"as of {job.as_of:%Y-%m-%d}") as run:
        run.set_tags(facts(job))
        trained = Trainer(config, setting, run, job.say).train(events, interactions, job.as_of)
        winner = trained.found.winner
        run.log_params({"winner": winner.name, **winner.candidate.settings})
        run.log_metrics(test_metrics(trained))
        document = {**trained.as_dict(), **facts(job), **write_factors(job, trained)}
        document["config"] = config.model_dump(mode="json")
        version = job.tracking.register(MODEL, run.run_id, document)
    job.tracking.set_alias(MODEL, "candidate", version)
    return summarise(trained, version)


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


def write_factors(job: Job, trained: Trained) -> dict[str, Any]:
    """Writes the factors under a new model version; returns where they are, for the document."""
    facts_text = json.dumps([facts(job), trained.found.winner.candidate.settings], sort_keys=True)
    model_version = hashlib.sha256(facts_text.encode()).hexdigest()[:12]
    named = F.lit(model_version).alias("model_version")
    model = trained.model
    frames = {USER_FACTORS: model.user_factors, ITEM_FACTORS: model.item_factors}
    for table, frame in frames.items():
        assert frame is not None
        rows = frame.select(named, "*")
        job.writer(table).overwrite(rows, where=f"model_version = '{model_version}'")
    versions = {table: job.lake.ref(table).version() for table in frames}
    return {"model_version": model_version, "tables": versions}


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
        "candidates": trained.found.n_candidates,
        "winner": trained.found.winner.name,
        **{f"test {metric} {name}": str(i) for name, i in test.intervals.items()},
        **{f"gain over {name}": str(gain) for name, gain in test.gains.items()},
        "version": version,
    }


TABLE_INDEX = {USER_INDEX: "user_index", ITEM_INDEX: "item_index"}

STEP = Step(
    name="train-recommender",
    action=train_recommender,
    inputs=(EVENTS, INTERACTIONS),
    outputs=(USER_INDEX, ITEM_INDEX, USER_FACTORS, ITEM_FACTORS),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
