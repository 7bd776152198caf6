"""What lists are made with: the champion, and popularity for what it leaves empty."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame

from sparkperso.config.recommend.models import PopularityParams, parse_params
from sparkperso.core.columns import ITEM_ID
from sparkperso.jobs.build_recommendations.list_policy import (
    say_unused,
)
from sparkperso.jobs.train_recommender.job import INTERACTIONS, ITEMS, MODEL
from sparkperso.jobs.train_recommender.model_tables import (
    ITEM_INDEX,
    MODEL_ARRAYS,
    collect_registered,
    read_registered,
)
from sparkperso.pipeline.job import Job
from sparkperso.platform.tracking import ModelVersion
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.data.id_index import new_index_rows
from sparkperso.recommend.fit.task_runner import fit_here, fit_in_tasks
from sparkperso.recommend.lists.recommendation_rows import ChampionModel
from sparkperso.recommend.models import load_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.models.model_arrays import from_rows
from sparkperso.recommend.scoring.lister import Lister
from sparkperso.recommend.scoring.selection import list_selection

POPULARITY = "popularity"
"""Strategy and model version of lists, and places, that popularity fills."""


def popularity_params(job: Job, champion: ModelVersion | None) -> PopularityParams:
    """Returns the champion's tuned popularity, else the candidate's, else the plain one.

    Without a champion the candidate's was still chosen on this shop's folds.
    """
    version = champion or job.tracking.by_alias(MODEL, "candidate")
    if version is None:
        return PopularityParams()
    return PopularityParams.model_validate(version.document["popularity"])


def item_index(job: Job, version: ModelVersion | None) -> DataFrame:
    """Returns item_id, item_index of the items that the champion knows; of all without one.

    Items that came after its training wait for the next one.
    """
    if version is None:
        items = job.read(INTERACTIONS).select(ITEM_ID).union(job.read(ITEMS).select(ITEM_ID))
        known = job.lake.ref(ITEM_INDEX).read()
        return known.unionByName(new_index_rows(known, items, ITEM_ID, "item_index"))
    if version.document["n_items"] > job.settings.recommend.max_driver_items:
        return read_registered(job, version, ITEM_INDEX)
    rows = collect_registered(job, version, ITEM_INDEX).select([ITEM_ID, "item_index"])
    return job.spark.createDataFrame(rows)


def make_lister(
    job: Job,
    profiles: DataFrame | pa.Table,
    catalogue: Catalogue,
    by: tuple[ModelVersion | None, PopularityParams],
) -> tuple[Lister, str]:
    """Returns what lists are made with, and the model version that they carry.

    Popularity is fitted now, on what is known as of the job: it fills what the champion leaves
    empty, and is all there is without one.
    """
    version, params = by
    setting = FitSetting(job.settings.recommend.seed)
    to_fit = {POPULARITY: params}
    if isinstance(profiles, DataFrame):
        fallback = fit_in_tasks(profiles, to_fit, catalogue, setting)[POPULARITY]
    else:
        fallback = fit_here(profiles, to_fit, catalogue, setting)[POPULARITY]
    say_unused(job, catalogue)
    aliases = job.settings.ingest.country_aliases
    select = list_selection(job.settings.recommend.lists, catalogue, job.as_of, aliases)
    if version is None:
        plain = Lister(fallback, POPULARITY, catalogue, select, fallback, is_explained=True)
        return plain, POPULARITY
    named = read_champion(job, version)
    lister = Lister(named.model, named.strategy, catalogue, select, fallback, is_explained=True)
    return lister, named.version


def read_champion(job: Job, version: ModelVersion) -> ChampionModel:
    """Returns the champion's model from its arrays.

    Raises JobError where they are not those that were registered.
    """
    rows = collect_registered(job, version, MODEL_ARRAYS).select(["name", "block", "data"])
    arrays = from_rows(zip(*rows.to_pydict().values(), strict=True))
    model = load_model(parse_params(version.document["params"]), arrays)
    return ChampionModel(model, version.document["strategy"], version.version)
