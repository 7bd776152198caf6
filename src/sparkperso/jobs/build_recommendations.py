"""build-recommendations: the champion's lists for every user; similar and popular items."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.config.models import PopularityParams, parse_params
from sparkperso.jobs.command import run_step
from sparkperso.jobs.context import Job, Summary
from sparkperso.jobs.people import known_persons
from sparkperso.jobs.selection import hidden_items, make_selection, without_items
from sparkperso.jobs.step import Step
from sparkperso.jobs.train_recommender import (
    EVENTS,
    INTERACTIONS,
    ITEM_FACTORS,
    ITEM_INDEX,
    ITEMS,
    MODEL,
    MODEL_ARRAYS,
)
from sparkperso.recommend.catalogue import Catalogue
from sparkperso.recommend.indexes import new_index_rows
from sparkperso.recommend.interactions import time_of
from sparkperso.recommend.lists import Named, build_lists
from sparkperso.recommend.models import load_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.neighbours import similar_items
from sparkperso.recommend.popularity import counted_events, popular_items, window_text
from sparkperso.recommend.profiles import UserAttributes, load_catalogue, profile_frame
from sparkperso.recommend.scoring import Lister
from sparkperso.recommend.storage import from_rows
from sparkperso.recommend.tasks import fit_in_tasks
from sparkperso.tracking import ModelVersion

SEGMENTS = "gold/segments"
RECOMMENDATIONS, POPULAR, SIMILAR = (
    "gold/recommendations",
    "gold/popular_items",
    "gold/similar_items",
)


def build_recommendations(job: Job) -> Summary:
    """Writes the lists, each table in one commit; without a champion they are popularity's."""
    config = job.settings.recommend
    events = job.read(EVENTS).where(F.col(TIMESTAMP) <= time_of(job.as_of))
    version = job.tracking.by_alias(MODEL, "champion")
    index = item_index(job, version)
    catalogue = load_catalogue(index, job.read(ITEMS), config.max_driver_items)
    attributes = UserAttributes(known_persons(job, events)).at(job.as_of)
    profiles = everyone(job, events, index, attributes).persist()
    lister, named = make_lister(job, profiles, catalogue, version)
    now = F.lit(datetime.now(timezone.utc).isoformat()).cast("timestamp")
    rows = build_lists(profiles, lister, named)
    job.writer(RECOMMENDATIONS).overwrite(rows.withColumn("generated_at", now))
    profiles.unpersist()
    params, hidden = popularity_params(job), hidden_items(job)
    write_popular(job, without_items(events, hidden), params)
    write_similar(job, version, hidden)
    return summarise(job, params)


def item_index(job: Job, version: ModelVersion | None) -> DataFrame:
    """Returns item_id, item_index of the items that the champion knows; of all without one.

    Items that came after its training wait for the next one.
    """
    if version is None:
        items = job.read(INTERACTIONS).select(ITEM_ID).union(job.read(ITEMS).select(ITEM_ID))
        known = job.lake.ref(ITEM_INDEX).read()
        return known.unionByName(new_index_rows(known, items, ITEM_ID, "item_index"))
    return job.read(ITEM_INDEX).where(F.col("item_index") < version.document["n_items"])


def everyone(job: Job, events: DataFrame, index: DataFrame, attributes: DataFrame) -> DataFrame:
    """Returns the profiles of all users with an event, those without history too."""
    users = events.where(F.col(USER_ID).isNotNull()).select(USER_ID).distinct()
    nothing = F.array().cast("array<string>")
    told = users.join(attributes, USER_ID, how="full")
    told = told.select(USER_ID, F.coalesce("attributes", nothing).alias("attributes"))
    return profile_frame(job.read(INTERACTIONS), index, told, job.as_of)


def make_lister(
    job: Job, profiles: DataFrame, catalogue: Catalogue, version: ModelVersion | None
) -> tuple[Lister, str]:
    """Returns what lists are made with, and the model version that they carry."""
    config = job.settings.recommend
    setting = FitSetting(config.seed)
    popular = {"popularity": popularity_params(job)}
    fallback = fit_in_tasks(profiles, popular, catalogue, setting)["popularity"]
    select = make_selection(job, catalogue)
    if version is None:
        return Lister(fallback, "popularity", catalogue, select, fallback), "popularity"
    named = read_champion(job, version)
    lister = Lister(named.model, named.strategy, catalogue, select, fallback, is_explained=True)
    return lister, named.version


def read_champion(job: Job, version: ModelVersion) -> Named:
    """Returns the champion's model from its arrays."""
    of_version = F.col("model_version") == version.document["model_version"]
    rows = job.read(MODEL_ARRAYS).where(of_version).collect()
    arrays = from_rows((row["name"], row["block"], bytes(row["data"])) for row in rows)
    model = load_model(parse_params(version.document["params"]), arrays)
    return Named(model, version.document["strategy"], version.version)


def popularity_params(job: Job) -> PopularityParams:
    """Returns the popularity that did best on the latest folds, else the plain one."""
    for alias in ("champion", "candidate"):
        version = job.tracking.by_alias(MODEL, alias)
        if version is not None:
            return PopularityParams.model_validate(version.document["popularity"])
    return PopularityParams()


def write_popular(job: Job, events: DataFrame, params: PopularityParams) -> None:
    """Writes what is popular, everywhere, per country, and per segment where there are any."""
    config = job.settings.recommend
    counted = counted_events(events, config.interactions.weights, params, job.as_of)
    members = job.read(SEGMENTS) if job.lake.ref(SEGMENTS).exists() else None
    job.writer(POPULAR).overwrite(popular_items(counted, params, config.lists, members))


def write_similar(job: Job, version: ModelVersion | None, hidden: list[str]) -> None:
    """Writes every item's neighbours by the champion's factors; without factors there are none."""
    if version is None or ITEM_FACTORS not in version.document["tables"]:
        job.writer(SIMILAR).overwrite(job.lake.ref(SIMILAR).read().limit(0))
        return
    config = job.settings.recommend
    of_version = F.col("model_version") == version.document["model_version"]
    factors = job.read(ITEM_FACTORS).where(of_version)
    rows = similar_items(factors, config.lists, config.max_driver_items, hidden)
    job.writer(SIMILAR).overwrite(rows)


def summarise(job: Job, params: PopularityParams) -> Summary:
    """Returns the figures to print."""
    lists = job.lake.ref(RECOMMENDATIONS).read()
    by_strategy = lists.groupBy("strategy").agg(F.count_distinct(USER_ID).alias("users"))
    users: dict[str, Any] = {
        f"users with {row.strategy}": row.users for row in by_strategy.orderBy("strategy").collect()
    }
    return {
        **users,
        "rows": lists.count(),
        "popular": window_text(params),
        "similar": job.lake.ref(SIMILAR).read().count(),
    }


# No inputs are named: which version is champion is not in a table, so it is never skipped.
STEP = Step(
    name="build-recommendations",
    action=build_recommendations,
    outputs=(RECOMMENDATIONS, POPULAR, SIMILAR),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
