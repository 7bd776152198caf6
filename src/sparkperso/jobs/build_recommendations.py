"""build-recommendations: the champion's lists for every user; similar and popular items."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.columns import TIMESTAMP, USER_ID
from sparkperso.config.recommend import PopularityParams
from sparkperso.jobs.command import run_step
from sparkperso.jobs.context import Job, Summary
from sparkperso.jobs.step import Step
from sparkperso.jobs.train_recommender import (
    EVENTS,
    INTERACTIONS,
    ITEM_FACTORS,
    MODEL,
    USER_FACTORS,
)
from sparkperso.recommend.interactions import time_of
from sparkperso.recommend.lists import ListSize, Named, build_lists, similar_items
from sparkperso.recommend.model import FactorModel
from sparkperso.recommend.popularity import Popularity, popular_items, window_text
from sparkperso.recommend.scoring import seen_lists
from sparkperso.recommend.split import TrainingSet

RECOMMENDATIONS, POPULAR, SIMILAR = (
    "gold/recommendations",
    "gold/popular_items",
    "gold/similar_items",
)


def build_recommendations(job: Job) -> Summary:
    """Writes the lists, each table in one commit; without a champion they are popularity's."""
    config = job.settings.recommend
    events = job.read(EVENTS).where(F.col(TIMESTAMP) <= time_of(job.as_of))
    interactions = job.read(INTERACTIONS)
    champion, params = read_champion(job), popularity_params(job)
    popular = Popularity(params, config.interactions.weights)
    known = TrainingSet(job.as_of, events, interactions)
    fallback = Named(popular.fit(known), popular.strategy, "popularity")
    users = events.where(F.col(USER_ID).isNotNull()).select(USER_ID).distinct()
    lists = build_lists(
        users,
        seen_lists(interactions),
        champion,
        fallback,
        ListSize(config.lists.n_items, config.max_driver_items),
    )
    now = F.lit(datetime.now(timezone.utc).isoformat()).cast("timestamp")
    job.writer(RECOMMENDATIONS).overwrite(lists.withColumn("generated_at", now))
    weights = config.interactions.weights
    job.writer(POPULAR).overwrite(popular_items(events, weights, params, config.lists, job.as_of))
    write_similar(job, champion)
    return summarise(job, params)


def read_champion(job: Job) -> Named | None:
    """Returns the champion's factors, None when there is no champion."""
    champion = job.tracking.by_alias(MODEL, "champion")
    if champion is None:
        return None
    version = champion.document["model_version"]

    def factors(table: str) -> DataFrame:
        rows = job.read(table).where(F.col("model_version") == version)
        return rows.drop("model_version")

    model = FactorModel(factors(ITEM_FACTORS), factors(USER_FACTORS))
    return Named(model, champion.document["strategy"], champion.version)


def popularity_params(job: Job) -> PopularityParams:
    """Returns the popularity that did best on the latest folds, else the first of the space."""
    for alias in ("champion", "candidate"):
        version = job.tracking.by_alias(MODEL, alias)
        if version is not None:
            return PopularityParams.model_validate(version.document["popularity"])
    return job.settings.recommend.search.popularity[0]


def write_similar(job: Job, champion: Named | None) -> None:
    """Writes every item's neighbours; without a champion there are none."""
    if champion is None:
        job.writer(SIMILAR).overwrite(job.lake.ref(SIMILAR).read().limit(0))
        return
    config = job.settings.recommend
    rows = similar_items(champion.model, ListSize(config.lists.n_similar, config.max_driver_items))
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
