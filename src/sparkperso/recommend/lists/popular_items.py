"""Most popular items, global, per country and per segment.

The popularity model ranks what users have, a pair counting once; these lists rank what happens,
anonymous visitors' events too, each with its weight.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from sparkperso.config.recommend.lists import ListsConfig
from sparkperso.config.recommend.models import PopularityParams
from sparkperso.config.recommend.section import InteractionsConfig
from sparkperso.core.columns import ITEM_ID, RANK, SCORE, TIMESTAMP, USER_ID
from sparkperso.platform.literals import empty_array, instant
from sparkperso.recommend.data.interactions import DECIMALS, weighted_events
from sparkperso.recommend.models.popularity import GLOBAL


def popular_items(
    counted: DataFrame, params: PopularityParams, lists: ListsConfig, members: DataFrame | None
) -> DataFrame:
    """Returns gold/popular_items: scope, rank, item_id, score, window.

    One row per (scope, rank). `counted` is what `counted_events` gives, `members` has user_id and
    segment_id. Scopes are `global`, and per country and segment with enough counted events
    `country:<code>` and `segment:<segment_id>`. score is Σ weight, above 0, rounded to 9 decimals;
    of equal ones the smaller item_id comes first.
    """
    scoped = _with_scopes(counted, lists, members)
    size = F.sum("n_events").over(W.partitionBy("scope"))
    total = F.round(F.sum("weight"), DECIMALS).alias(SCORE)
    scores = scoped.groupBy("scope", ITEM_ID).agg(total, F.count(F.lit(1)).alias("n_events"))
    enough = (F.col("scope") == GLOBAL) | (F.col("size") >= lists.popular_min_events)
    scores = scores.withColumn("size", size).where(enough & (F.col(SCORE) > 0))
    # By item_id among equals, so that ranks do not depend on partitions.
    place = F.row_number().over(W.partitionBy("scope").orderBy(F.desc(SCORE), ITEM_ID))
    ranked = scores.withColumn(RANK, place).where(F.col(RANK) <= lists.n_popular)
    return ranked.select("scope", RANK, ITEM_ID, SCORE, F.lit(window_text(params)).alias("window"))


def _with_scopes(counted: DataFrame, lists: ListsConfig, members: DataFrame | None) -> DataFrame:
    """Returns the events once per scope that they belong to."""
    scopes = F.array(F.lit(GLOBAL))
    if lists.popular_by_country:
        # Null, and left out, where the country is unknown.
        country = F.concat(F.lit("country:"), F.col("context.country"))
        scopes = F.array_compact(F.concat(scopes, F.array(country)))
    if lists.popular_by_segment and members is not None:
        own = F.collect_set(F.concat(F.lit("segment:"), "segment_id")).alias("segments")
        counted = counted.join(members.groupBy(USER_ID).agg(own), USER_ID, how="left")
        nothing = empty_array("string")
        scopes = F.concat(scopes, F.coalesce("segments", nothing))
    return counted.withColumn("scope", F.explode(scopes))


def window_text(params: PopularityParams) -> str:
    """Returns what a popularity counts, in words.

    >>> window_text(PopularityParams(window_days=7, half_life_days=14))
    'last 7 days, half-life 14 days'
    >>> window_text(PopularityParams())
    'all'
    """
    parts = [f"last {params.window_days:g} days"] if params.window_days else []
    parts += [f"half-life {params.half_life_days:g} days"] if params.half_life_days else []
    return ", ".join(parts) or "all"


def counted_events(
    events: DataFrame, weights: dict[str, float], params: PopularityParams, as_of: datetime
) -> DataFrame:
    """Returns the events that count, anonymous ones too, with their `weight` at `as_of`.

    Those of the window that name an item and whose type is in `weights`.
    """
    config = InteractionsConfig(weights=weights, half_life_days=params.half_life_days)
    counted = weighted_events(events.where(F.col(ITEM_ID).isNotNull()), config, as_of)
    if params.window_days is None:
        return counted
    start = instant(as_of - timedelta(days=params.window_days))
    return counted.where(F.col(TIMESTAMP) > start)
