"""train-recommender: search, test and refit, everything recorded; the winner is a candidate.

1. What is known up to as-of is read, and new users and items get their numbers (`read_inputs`).
2. `recommend.training` searches, tests and refits.
3. The model's arrays and factors are written under a version that is a hash of their content
   (`write_model`), the document is registered, and the alias `candidate` points at it.

A run that breaks off leaves rows that no registered version names: they are harmless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config import config_hash
from sparkperso.config.recommend.criterion import label_of
from sparkperso.config.recommend.models import parse_params
from sparkperso.config.recommend.own_models import own_models, versions_of_own_models
from sparkperso.core.columns import ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.core.errors import JobError
from sparkperso.jobs.train_recommender.model_tables import (
    ITEM_FACTORS,
    ITEM_INDEX,
    MODEL_ARRAYS,
    USER_FACTORS,
    digests_of,
    model_rows,
    write_once,
)
from sparkperso.jobs.train_recommender.off_policy import OffPolicyTest
from sparkperso.pipeline.code import code_version
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.persons import USERS, persons_of
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.driver_rows import arrow_frame, block_frame
from sparkperso.platform.literals import instant, micros
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.data.id_index import new_index_rows, new_index_table
from sparkperso.recommend.data.user_histories import UserAttributes, load_catalogue, profile_frame
from sparkperso.recommend.fit.driver_folds import read_interactions, user_factor_table
from sparkperso.recommend.fit.fit_strategy import Engine, choose_engine, make_fitter, parts_of
from sparkperso.recommend.lists.recommendation_rows import item_factor_frame, user_factor_frame
from sparkperso.recommend.models.model_arrays import Row, to_rows
from sparkperso.recommend.registered import pyfunc
from sparkperso.recommend.registered.model_files import write_arrays, write_items
from sparkperso.recommend.registered.recommender import arrays_of
from sparkperso.recommend.repeat_tuning import RepeatsOutcome
from sparkperso.recommend.training import (
    CHAMPION,
    PLAIN,
    TUNED,
    Inputs,
    Trainer,
    TrainingResult,
    require_enough,
)
from sparkperso.recommend.tune.run_names import log_settings, run_names
from sparkperso.recommend.tune.search_space import candidates

if TYPE_CHECKING:
    from sparkperso.platform.tracking import Loadable

MODEL = "recommender"
EVENTS, INTERACTIONS, ITEMS = "silver/events", "gold/interactions", "silver/items"
USER_INDEX = "gold/user_index"
ARRAY_ROWS = "name string, block int, data binary"


def train_recommender(job: Job) -> Summary:
    """Trains on everything up to as-of and registers the winner under the alias `candidate`.

    Raises QualityGateError where there is too little to train on or to test with, JobError where
    gold/interactions is of a later time or no model can be fitted.
    """
    config = job.settings.recommend
    inputs, engine = read_inputs(job)
    catalogue = load_catalogue(inputs.item_index, job.read(ITEMS), config.max_driver_items)
    slots = job.spark.sparkContext.defaultParallelism
    basis = facts(job)
    about = f"Models tried, blended and tested on what was known at {job.as_of:%Y-%m-%d %H:%M} UTC."
    with job.tracking.run("train-recommender", f"as of {job.as_of:%Y-%m-%d}", about) as run:
        run.set_tags(basis)
        job.say(f"engine {engine.name}: {engine.reason}")
        fits = make_fitter(config, catalogue, engine)
        run.set_tags({"engine": engine.name, "engine_reason": engine.reason})
        shown = OffPolicyTest(job)
        trainer = Trainer(config, fits, slots, run, job.say, job.count, shown.judge)
        trained = trainer.train(inputs)
        winner = trained.winner
        run.log_params({"winner": winner.name})
        log_settings(run, winner.params.model, winner.params)
        # Under the name that its candidates have it, so that one table shows all of them.
        run.log_metrics(winner.mean | test_metrics(trained) | shown.metrics())
        run.set_tags(shown.tags())
        if trained.repeats is not None:
            run.log_metrics(trained.repeats.metrics())
        basis["engine"] = engine.name
        document = {**trained.as_dict(), **basis}
        arrays = list(to_rows(arrays_of(trained.model, trained.popularity)))
        document |= write_model(job, trained, basis, (inputs, catalogue, arrays))
        document["off_policy"] = shown.as_dict()
        document["config"] = config.model_dump(mode="json")
        document["country_aliases"] = dict(job.settings.ingest.country_aliases)
        packages = packages_of(winner.params)
        loadable = make_loadable(job, catalogue, arrays, packages)
        about = f"{described(trained)}. {about}"
        version = job.tracking.register(MODEL, run.run_id, document, loadable, about)
        run.log_inputs(job.table_inputs())
    job.tracking.set_alias(MODEL, "candidate", version)
    return summarise(trained, shown, version)


def read_inputs(job: Job) -> tuple[Inputs, Engine]:
    """Returns what is known up to as-of, every item numbered, and what is to fit the models.

    Appends new users and items to their index tables: numbers are never given anew. Raises
    QualityGateError where there is too little to train on, JobError where gold/interactions is of a
    later time.
    """
    config = job.settings.recommend
    events = job.read(EVENTS).where(F.col(TIMESTAMP) <= instant(job.as_of))
    interactions, items = job.read(INTERACTIONS), job.read(ITEMS).select(ITEM_ID)
    bounds = (config.one_task_pairs, config.driver_pairs)
    engine = choose_engine(config.engine, interactions.count(), *bounds)
    pairs = read_interactions(interactions) if engine.in_driver else None
    most = config.max_user_items
    counts = counts_of(interactions, most) if pairs is None else counts_in(pairs, most)
    require_none_later(job, counts["last_at"])
    if pairs is None:
        extend_index(job, USER_INDEX, interactions, USER_ID)
        extend_index(job, ITEM_INDEX, interactions.select(ITEM_ID).union(items), ITEM_ID)
    else:
        extend_index(job, USER_INDEX, texts_in(pairs, USER_ID), USER_ID)
        every = texts_in(pairs, ITEM_ID) | texts_in(items.toArrow(), ITEM_ID)
        extend_index(job, ITEM_INDEX, every, ITEM_ID)
    require_enough(counts, config.minimum)
    inputs = Inputs(
        events,
        interactions,
        job.lake.ref(ITEM_INDEX).read(),
        UserAttributes(persons_of(job, events)),
        job.as_of,
        counts["users"],
        counts["interactions"],
        counts["long"],
        pairs,
        champion_settings(job),
        job.read(ITEMS),
    )
    return inputs, engine


def champion_settings(job: Job) -> tuple[str, Any] | None:
    """Returns version and settings of the champion; None without one."""
    champion = job.tracking.by_alias(MODEL, "champion")
    if champion is None:
        return None
    return champion.version, parse_params(champion.document["params"])


def counts_of(interactions: DataFrame, most: int) -> dict[str, int]:
    """Returns the numbers of users, items and interactions, and the largest last_at.

    last_at is in microseconds since 1970; 0 without interactions. `long` is the number of users
    with more than `most` interactions.
    """
    lengths = interactions.groupBy(USER_ID).count()
    users = lengths.agg(F.count(F.lit(1)).alias("users"), F.count_if(F.col("count") > most))
    n_users, n_long = users.collect()[0]
    figures = interactions.agg(
        F.count_distinct(ITEM_ID).alias("items"),
        F.count(F.lit(1)).alias("interactions"),
        F.coalesce(F.unix_micros(F.max("last_at")), F.lit(0)).alias("last_at"),
    )
    return {"users": n_users, "long": n_long, **figures.collect()[0].asDict()}


def counts_in(pairs: pa.Table, most: int) -> dict[str, int]:
    """Returns `counts_of` interactions that are in memory."""
    lengths = pairs.column(USER_ID).value_counts().field("counts")
    return {
        "users": len(lengths),
        "long": pc.sum(pc.greater(lengths, most)).as_py() or 0,
        "items": pc.count_distinct(pairs.column(ITEM_ID)).as_py(),
        "interactions": pairs.num_rows,
        "last_at": pc.max(pairs.column("last_at")).as_py() or 0,
    }


def require_none_later(job: Job, last_at: int) -> None:
    """Raises JobError when gold/interactions holds anything later than as-of."""
    if last_at > micros(job.as_of):
        raise JobError(
            f"gold/interactions should hold nothing later than {job.as_of} (--as-of)",
            "It was built as of a later time",
            f"Run 'sparkperso build-features --as-of {job.as_of.isoformat()}' first",
        )


def texts_in(table: pa.Table, name: str) -> set[str]:
    """Returns the distinct texts of a column."""
    return set(table.column(name).unique().to_pylist())


def extend_index(job: Job, table: str, ids: DataFrame | set[str], id_column: str) -> None:
    """Appends ids that the index lacks: by Spark, or here where the ids are in memory.

    Creates the table where there is none. Raises JobError when 32 bits cannot number them.
    """
    number, known = TABLE_INDEX[table], job.lake.ref(table).read()
    writer = job.writer(table)
    writer.create()
    if isinstance(ids, DataFrame):
        rows = new_index_rows(known, ids, id_column, number)
        if not rows.isEmpty():
            writer.append(rows)
        return
    fresh = new_index_table(known.select(id_column, number).toArrow(), ids, id_column, number)
    if fresh.num_rows:
        writer.append(job.spark.createDataFrame(fresh))


def described(trained: TrainingResult) -> str:
    """Returns what was chosen, and what it is worth on the test, in one line."""
    winner, test = trained.winner.params, trained.test
    name, *_ = run_names([winner, *(one.params for one in trained.search.tuned.trials)])
    return f"{name}: {label_of(test.metric)} {test.intervals[test.challenger]} on the test"


def packages_of(params: Any) -> list[str]:
    """Returns the other packages that a model, or a part of a blend, is of: `name==version`."""
    own, parts = own_models(), parts_of(params)
    points = [own[part.model] for part in parts if part.model in own]
    return sorted({f"{one.dist.name}=={one.dist.version}" for one in points if one.dist})


def make_loadable(
    job: Job, catalogue: Catalogue, arrays: Sequence[Row], packages: Sequence[str]
) -> Loadable:
    """Returns how MLflow loads the model: from its arrays and items, without Spark.

    Arrays of more than tracking.model_bytes stay in gold/model_arrays alone.
    """
    from sparkperso.platform.tracking import Loadable

    n_bytes, bound = sum(len(data) for *_, data in arrays), job.settings.tracking.model_bytes
    is_small = n_bytes <= bound
    if not is_small:
        job.say(
            f"The model's arrays are {n_bytes:,} bytes, more than {bound:,} "
            f"(tracking.model_bytes): MLflow loads them from {MODEL_ARRAYS} of this lake"
        )

    def write(folder: Path) -> None:
        write_items(folder, catalogue)
        if is_small:
            write_arrays(folder, arrays)

    few = catalogue.ids[:2].tolist()
    return Loadable(
        pyfunc.LOADER,
        write,
        pyfunc.INPUTS,
        pyfunc.OUTPUTS,
        {"n": job.settings.recommend.lists.n_items, "exclude_seen": True},
        {USER_ID: ["somebody"], "items": [few]},
        packages,
    )


def write_model(
    job: Job,
    trained: TrainingResult,
    basis: Mapping[str, Any],
    data: tuple[Inputs, Catalogue, Sequence[Row]],
) -> dict[str, Any]:
    """Writes the model's arrays, and ALS's factors, under a new model version.

    Returns where they are and a digest of them, for the document; `basis` is what they depend on
    besides the models' settings. Raises WriteConflictError when another run wrote the same version
    at the same moment.
    """
    inputs, catalogue, arrays = data
    settings = {name: trained.as_dict()[name] for name in ("params", "best")}
    model_version = version_of({**basis, **settings}, arrays, catalogue)
    frames = {MODEL_ARRAYS: block_frame(job.spark, arrays, ARRAY_ROWS)}
    if trained.als is not None:
        frames[ITEM_FACTORS] = item_factor_frame(job.spark, trained.als, catalogue)
        frames[USER_FACTORS] = user_factors(job, trained, inputs)
    for table in (MODEL_ARRAYS, ITEM_FACTORS, USER_FACTORS):
        if table in frames:
            write_once(job, table, model_version, frames[table])
        else:
            job.writer(table).create()
    n_items = len(catalogue)
    versions = {t: job.lake.ref(t).version() for t in (*frames, ITEM_INDEX)}
    written = {
        t: model_rows(job.lake.ref(t).read(v), t, model_version, n_items)
        for t, v in versions.items()
    }
    return {
        "model_version": model_version,
        "n_items": n_items,
        "tables": versions,
        "digests": digests_of(written),
    }


def user_factors(job: Job, trained: TrainingResult, inputs: Inputs) -> DataFrame:
    """Returns user_id, factors of all users with a history: one row each."""
    if trained.users is not None:
        return arrow_frame(job.spark, user_factor_table(trained.users, trained.als))
    # Factors come from interactions alone.
    nobody = job.spark.createDataFrame([], f"{USER_ID} string, attributes array<string>")
    profiles = profile_frame(inputs.interactions, inputs.item_index, nobody, inputs.as_of)
    return user_factor_frame(profiles, trained.als)


def version_of(basis: Mapping[str, Any], arrays: Iterable[Row], catalogue: Catalogue) -> str:
    """Returns the model version: 12 hex digits, a hash of what was trained on and with.

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
    """Returns what the model depends on: as-of, versions of inputs and code, configuration.

    Versions are those of Delta at the time of reading.
    """
    return {
        "as_of": job.as_of.isoformat(),
        "config_hash": config_hash(job.settings.recommend),
        "sparkperso": code_version(),
        **{f"model {name}": v for name, v in versions_of_own_models().items()},
        **{f"input {table}": version for table, version in sorted(job.lake.inputs.items())},
    }


def test_metrics(trained: TrainingResult) -> dict[str, float]:
    """Returns the test's figures under the names to log: test_<model>_<metric>.

    And `test_gain_over_<baseline>_` mean, low, high and level.
    """
    test = trained.test
    figures = {f"test_{m}_{k}": v for m, values in test.metrics.items() for k, v in values.items()}
    for name, gain in test.gains.items():
        figures |= {f"test_gain_over_{name}_{k}": v for k, v in gain.as_dict().items()}
    return figures


def summarise(trained: TrainingResult, shown: OffPolicyTest, version: str) -> Summary:
    """Returns the figures to print; gains over other models than these stand in MLflow."""
    test = trained.test
    baselines = [name for name in (PLAIN, TUNED, CHAMPION) if name in test.gains]
    metric = label_of(test.metric)
    left_out = {**trained.search.tuned.left_out, **trained.not_tested}
    return {
        "candidates": len(trained.search.tuned.trials),
        "winner": trained.winner.name,
        **({"left out": ", ".join(left_out)} if left_out else {}),
        **{f"test {metric} {name}": str(i) for name, i in test.intervals.items()},
        **{f"gain over {name}": str(test.gains[name]) for name in baselines},
        **(summary_of_repeats(trained.repeats) if trained.repeats else {}),
        **shown.summary(),
        "version": version,
    }


def summary_of_repeats(repeats: RepeatsOutcome) -> Summary:
    """Returns the figures of what is bought again to print: other answers than of new items."""
    test = repeats.test
    if test is None:
        return {"again": "nobody bought anything again after a cut"}
    metric = label_of(test.metric)
    of_all = (f"{kind} {own[test.metric]:.4f}" for kind, own in test.of_all.items())
    return {
        "again": repeats.chosen.name,
        f"test {metric} of repeats": str(test.interval),
        "gain over most frequent": str(test.gain),
        f"test {metric} of new and repeats": ", ".join(of_all),
    }


TABLE_INDEX = {USER_INDEX: "user_index", ITEM_INDEX: "item_index"}

STEP = Step(
    name="train-recommender",
    action=train_recommender,
    inputs=(EVENTS, INTERACTIONS, ITEMS, USERS),
    check=lambda settings: candidates(settings.recommend),
    outputs=(USER_INDEX, ITEM_INDEX, MODEL_ARRAYS, USER_FACTORS, ITEM_FACTORS),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
