"""gold/recommendations: the lists of every user, of all kinds that are configured.

Few users (recommend.lists.driver_users) are listed in this process, more in tasks, by the same
code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.lists import RepeatsParams
from sparkperso.config.recommend.models import PopularityParams
from sparkperso.core.columns import USER_ID
from sparkperso.jobs.build_recommendations.champion import POPULARITY, item_index, make_lister
from sparkperso.jobs.train_recommender.job import INTERACTIONS, ITEMS
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.persons import persons_of
from sparkperso.platform.driver_rows import arrow_frame
from sparkperso.platform.frames import keep_cached
from sparkperso.platform.literals import empty_array, instant
from sparkperso.platform.tracking import ModelVersion
from sparkperso.recommend.data.user_histories import UserAttributes, load_catalogue, profile_frame
from sparkperso.recommend.fit.task_runner import at_a_time
from sparkperso.recommend.lists.batch_scoring import LISTS, list_frame
from sparkperso.recommend.lists.recommendation_rows import build_lists
from sparkperso.recommend.lists.repeats import (
    AGAIN,
    OwnItems,
    mixed_lists,
    repeat_rates,
    repeat_shares,
)
from sparkperso.recommend.scoring.lister import Lister, list_table

RECOMMENDATIONS = "gold/recommendations"
CANDIDATE_RECOMMENDATIONS = "gold/candidate_recommendations"


def has_lists_to_keep(job: Job) -> bool:
    """Returns whether a champion's lists stand in gold/recommendations, and are to stay there."""
    if job.settings.recommend.lists.without_champion == "popularity":
        return False
    lists = job.lake.ref(RECOMMENDATIONS).read()
    return not lists.where(F.col("model_version") != POPULARITY).isEmpty()


def write_lists(
    job: Job,
    events: DataFrame,
    version: ModelVersion | None,
    params: PopularityParams,
    table_name: str = RECOMMENDATIONS,
) -> Summary | None:
    """Writes the lists of every user: new items are the version's, or popularity's without one.

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
        # Mixed lists are made of them, too: everybody is scored once.
        by_kind["new"] = keep_cached(by_kind["new"])
        own = repeats_params(job, version)
        by_kind |= other_lists(job, events, (index, known, lister), (by_kind["new"], own))
    now = instant(datetime.now(timezone.utc))
    rows = [rows.withColumn("kind", F.lit(kind)) for kind, rows in by_kind.items()]
    together = reduce(DataFrame.unionByName, rows).withColumn("generated_at", now)
    job.writer(table_name).overwrite(together)
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
    table = list_table(some, lister, threads=at_a_time(some.num_rows))
    return arrow_frame(job.spark, table, LISTS), table


def other_lists(
    job: Job,
    events: DataFrame,
    shop: tuple[DataFrame, DataFrame, Lister],
    lists_by: tuple[DataFrame, RepeatsParams],
) -> dict[str, DataFrame]:
    """Returns the lists of kind `again`, and `mixed` of these and the `new` ones, as configured.

    `shop` is the index of the items, everybody's attributes, and what made the new lists;
    `lists_by` these lists, and the settings of what is bought again.
    """
    index, known, by = shop
    new, params = lists_by
    config = job.settings.recommend.lists
    half_life = config.repeats.demand_half_life_days
    rates = keep_cached(repeat_rates(events, job.read(ITEMS), params, half_life, job.as_of))
    profiles = keep_cached(profile_frame(rates, index, known, job.as_of))
    # What may be shown to whom holds here, too; diversity does not: nobody wonders at their own.
    select = replace(by.select, n=config.repeats.n_items, with_seen=True, reranker=None)
    lister = Lister(OwnItems(), AGAIN, by.catalogue, select, is_explained=True)
    lists, _ = make_rows(job, profiles, few_of(job, profiles), lister)
    again = keep_cached(build_lists(lists, lister, AGAIN))
    found = {"again": again} if "again" in config.kinds else {}
    if "mixed" in config.kinds:
        shares = repeat_shares(rates, config.repeats.share_items)
        found["mixed"] = mixed_lists(new, again, shares, config.n_items)
    return found


def repeats_params(job: Job, champion: ModelVersion | None) -> RepeatsParams:
    """Returns the configured settings, else those that the champion's training chose, else none."""
    own = job.settings.recommend.lists.repeats.params
    chosen = champion.document.get("repeats") if champion else None
    if own is not None or not chosen:
        return own or RepeatsParams()
    return RepeatsParams.model_validate(chosen["params"])


def everybody(events: DataFrame, attributes: DataFrame) -> DataFrame:
    """Returns user_id, attributes of all users with an event or attributes: one row each."""
    users = events.where(F.col(USER_ID).isNotNull()).select(USER_ID).distinct()
    nothing = empty_array("string")
    known = users.join(attributes, USER_ID, how="full")
    return known.select(USER_ID, F.coalesce("attributes", nothing).alias("attributes"))


def count_lists(job: Job) -> Summary:
    """Returns the users by the strategy of their places, and how many places there are."""
    lists = job.lake.ref(RECOMMENDATIONS).read().groupBy("strategy")
    rows = lists.agg(F.count_distinct(USER_ID), F.count(F.lit(1))).collect()
    return list_figures([row[:2] for row in rows], sum(row[2] for row in rows))


def list_figures(users: Iterable[tuple[str, int]], n_rows: int) -> Summary:
    """Returns the figures of the lists to print; `users` is strategy, users."""
    return {**{f"users with {name}": n for name, n in sorted(users)}, "rows": n_rows}
