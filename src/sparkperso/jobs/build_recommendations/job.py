"""build-recommendations: the champion's lists for every user; similar and popular items.

Three tables, each replaced in one commit: a reader sees the old lists or the new ones, whole.
Few users (recommend.lists.driver_users) are listed in this process, more in tasks, by the same
code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from functools import reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.models import PopularityParams, parse_params
from sparkperso.core.columns import ITEM_ID, TIMESTAMP, USER_ID
from sparkperso.jobs.build_recommendations.list_policy import (
    hidden_items,
    say_unused,
    without_items,
)
from sparkperso.jobs.train_recommender.job import EVENTS, INTERACTIONS, ITEMS, MODEL
from sparkperso.jobs.train_recommender.model_tables import (
    ITEM_FACTORS,
    ITEM_INDEX,
    MODEL_ARRAYS,
    collect_registered,
    read_registered,
)
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.persons import persons_of
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import empty_array, instant
from sparkperso.platform.tracking import ModelVersion
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.data.id_index import new_index_rows
from sparkperso.recommend.data.user_histories import UserAttributes, load_catalogue, profile_frame
from sparkperso.recommend.fit.task_runner import fit_here, fit_in_tasks
from sparkperso.recommend.lists.batch_scoring import LISTS, list_frame
from sparkperso.recommend.lists.popular_items import counted_events, popular_items, window_text
from sparkperso.recommend.lists.recommendation_rows import ChampionModel, build_lists
from sparkperso.recommend.lists.repeats import (
    AGAIN,
    OwnItems,
    mixed_lists,
    repeat_rates,
    repeat_share,
)
from sparkperso.recommend.lists.similar_items import similar_items
from sparkperso.recommend.models import load_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.models.model_arrays import from_rows
from sparkperso.recommend.scoring.lister import Lister, list_table
from sparkperso.recommend.scoring.selection import list_selection

SEGMENTS = "gold/segments"
POPULARITY = "popularity"
"""Strategy and model version of lists, and places, that popularity fills."""
RECOMMENDATIONS, POPULAR, SIMILAR = (
    "gold/recommendations",
    "gold/popular_items",
    "gold/similar_items",
)


def build_recommendations(job: Job) -> Summary:
    """Writes the lists, each table in one commit.

    Without a champion `recommend.lists.without_champion` says what becomes of personal lists.
    Raises TrackingError, before anything is written, when the registry does not say who is
    champion.
    """
    version = job.tracking.by_alias(MODEL, "champion")
    params, hidden = popularity_params(job, version), hidden_items(job)
    events = job.read(EVENTS).where(F.col(TIMESTAMP) <= instant(job.as_of))
    keeps = version is None and has_lists_to_keep(job)
    lists = None
    job.count(0, 3, "tables")
    if keeps:
        job.say(
            "There is no champion: the lists of the last one stay as they are "
            "(recommend.lists.without_champion)"
        )
    else:
        lists = write_lists(job, events, version, params)
    job.count(1, 3, "tables")
    write_popular(job, without_items(events, hidden), params)
    job.count(2, 3, "tables")
    write_similar(job, version, hidden)
    job.count(3, 3, "tables")
    return summarise(job, params, lists, keeps)


def has_lists_to_keep(job: Job) -> bool:
    """Returns whether a champion's lists stand in gold/recommendations, and are to stay there."""
    if job.settings.recommend.lists.without_champion == "popularity":
        return False
    lists = job.lake.ref(RECOMMENDATIONS).read()
    return not lists.where(F.col("model_version") != POPULARITY).isEmpty()


def write_lists(
    job: Job, events: DataFrame, version: ModelVersion | None, params: PopularityParams
) -> Summary | None:
    """Writes the lists of every user: new items are the champion's, or popularity's without one.

    Returns what `count_lists` does, where it is known without a query. Raises JobError where the
    champion's tables are not those that were registered.
    """
    index = item_index(job, version)
    config = job.settings.recommend
    catalogue = load_catalogue(index, job.read(ITEMS), config.max_driver_items)
    persons = persons_of(job, events)
    attributes = UserAttributes(persons).at(job.as_of)
    known = everybody(events, attributes)
    profiles = keep_cached(profile_frame(job.read(INTERACTIONS), index, known, job.as_of))
    some = few_of(job, profiles)
    lister, named = make_lister(
        job, profiles if some is None else some, catalogue, (version, params)
    )
    lists, table = make_rows(job, profiles, some, lister)
    by_kind = {"new": build_lists(lists, lister, named)}
    if config.lists.kinds != ("new",):
        by_kind |= other_lists(job, events, (index, known, lister), by_kind["new"])
    now = instant(datetime.now(timezone.utc))
    rows = [rows.withColumn("kind", F.lit(kind)) for kind, rows in by_kind.items()]
    together = reduce(DataFrame.unionByName, rows).withColumn("generated_at", now)
    job.writer(RECOMMENDATIONS).overwrite(together)
    if table is None or len(by_kind) > 1:
        return None
    places = (table.column(name).to_pylist() for name in ("strategy", USER_ID))
    users = Counter(strategy for strategy, _ in set(zip(*places, strict=True)))
    return list_figures(users.items(), len(table))


def few_of(job: Job, profiles: DataFrame) -> pa.Table | None:
    """Returns the profiles where they are few enough for this process, else None."""
    bound = job.settings.recommend.lists.driver_users
    some = profiles.limit(bound + 1).toArrow()
    return some if some.num_rows <= bound else None


def make_rows(
    job: Job, profiles: DataFrame, some: pa.Table | None, lister: Lister
) -> tuple[DataFrame, pa.Table | None]:
    """Returns the listed items, and the same as a table where this process has made them."""
    if some is None:
        return list_frame(profiles, lister), None
    table = list_table(some, lister)
    return job.spark.createDataFrame(table, LISTS), table


def other_lists(
    job: Job, events: DataFrame, shop: tuple[DataFrame, DataFrame, Lister], new: DataFrame
) -> dict[str, DataFrame]:
    """Returns the lists of kind `again`, and `mixed` of these and the `new` ones, as configured.

    `shop` is the index of the items, everybody's attributes, and what made the new lists.
    """
    index, known, by = shop
    config = job.settings.recommend.lists
    rates = keep_cached(repeat_rates(events, job.read(ITEMS), config.repeats, job.as_of))
    profiles = keep_cached(profile_frame(rates, index, known, job.as_of))
    # What may be shown to whom holds here, too; diversity does not: nobody wonders at their own.
    select = replace(by.select, n=config.repeats.n_items, with_seen=True, reranker=None)
    lister = Lister(OwnItems(), AGAIN, by.catalogue, select, is_explained=True)
    lists, _ = make_rows(job, profiles, few_of(job, profiles), lister)
    again = keep_cached(build_lists(lists, lister, AGAIN))
    found = {"again": again} if "again" in config.kinds else {}
    if "mixed" in config.kinds:
        found["mixed"] = mixed_lists(new, again, repeat_share(rates), config.n_items)
    return found


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


def everybody(events: DataFrame, attributes: DataFrame) -> DataFrame:
    """Returns user_id, attributes of all users with an event or attributes: one row each."""
    users = events.where(F.col(USER_ID).isNotNull()).select(USER_ID).distinct()
    nothing = empty_array("string")
    known = users.join(attributes, USER_ID, how="full")
    return known.select(USER_ID, F.coalesce("attributes", nothing).alias("attributes"))


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


def popularity_params(job: Job, champion: ModelVersion | None) -> PopularityParams:
    """Returns the champion's tuned popularity, else the candidate's, else the plain one.

    Without a champion the candidate's was still chosen on this shop's folds.
    """
    version = champion or job.tracking.by_alias(MODEL, "candidate")
    if version is None:
        return PopularityParams()
    return PopularityParams.model_validate(version.document["popularity"])


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


def summarise(job: Job, params: PopularityParams, lists: Summary | None, keeps: bool) -> Summary:
    """Returns the figures to print; `keeps` says whether personal lists stayed as they were."""
    return {
        **({"champion": "none, its last lists stay"} if keeps else {}),
        **(lists or count_lists(job)),
        "popular": window_text(params),
        "similar": job.lake.ref(SIMILAR).read().count(),
    }


def count_lists(job: Job) -> Summary:
    """Returns the users by the strategy of their places, and how many places there are."""
    lists = job.lake.ref(RECOMMENDATIONS).read().groupBy("strategy")
    rows = lists.agg(F.count_distinct(USER_ID), F.count(F.lit(1))).collect()
    return list_figures([row[:2] for row in rows], sum(row[2] for row in rows))


def list_figures(users: Iterable[tuple[str, int]], n_rows: int) -> Summary:
    """Returns the figures of the lists to print; `users` is strategy, users."""
    return {**{f"users with {name}": n for name, n in sorted(users)}, "rows": n_rows}


# No inputs are named: which version is champion is not in a table, so it is never skipped.
STEP = Step(
    name="build-recommendations",
    action=build_recommendations,
    outputs=(RECOMMENDATIONS, POPULAR, SIMILAR),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
