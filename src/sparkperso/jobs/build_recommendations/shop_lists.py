"""gold/popular_items and gold/similar_items: lists that are not of a person."""

from __future__ import annotations

from pyspark.sql import DataFrame

from sparkperso.config.recommend.models import PopularityParams
from sparkperso.jobs.train_recommender.model_tables import (
    ITEM_FACTORS,
    collect_registered,
    read_registered,
)
from sparkperso.pipeline.job import Job
from sparkperso.platform.tracking import ModelVersion
from sparkperso.recommend.lists.popular_items import counted_events, popular_items
from sparkperso.recommend.lists.similar_items import similar_items

POPULAR, SIMILAR = "gold/popular_items", "gold/similar_items"
SEGMENTS = "gold/segments"


def write_popular(job: Job, events: DataFrame, params: PopularityParams) -> None:
    """Writes what is popular, everywhere, per country, and per segment where there are any.

    As of the job; by the parameters that the search chose for popularity, where there was one.
    """
    config = job.settings.recommend
    counted = counted_events(events, config.interactions.weights, params, job.as_of)
    members = job.read(SEGMENTS) if job.lake.ref(SEGMENTS).exists() else None
    job.writer(POPULAR).overwrite(popular_items(counted, params, config.lists, members))


def write_similar(job: Job, version: ModelVersion | None, hidden: list[str]) -> None:
    """Writes every item's neighbours by the champion's factors; a champion without any has none.

    Without a champion they stay as they are.
    """
    if version is None:
        job.writer(SIMILAR).create()
        return
    if ITEM_FACTORS not in version.document["tables"]:
        job.say(
            "No similar items: they are found by the factors of als_implicit, which the champion's "
            "training did not fit (recommend.search.space)"
        )
        job.writer(SIMILAR).overwrite(job.lake.ref(SIMILAR).read().limit(0))
        return
    config = job.settings.recommend
    few = version.document["n_items"] <= config.max_driver_items
    factors = (collect_registered if few else read_registered)(job, version, ITEM_FACTORS)
    rows = similar_items(job.spark, factors, config.lists, config.max_driver_items, hidden)
    job.writer(SIMILAR).overwrite(rows)
