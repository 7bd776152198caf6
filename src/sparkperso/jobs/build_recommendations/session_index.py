"""gold/session_index: the recent sessions that what comes next is found in."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.section import InteractionsConfig
from sparkperso.core.columns import EVENT_TYPE, ITEM_ID, SESSION_ID, TIMESTAMP, USER_ID
from sparkperso.metrics.sessions import STARTED, mark_sessions
from sparkperso.pipeline.job import Job, Summary
from sparkperso.platform.frames import keep_cached
from sparkperso.recommend.sessions.session_rows import AT, latest_sessions, session_rows

SESSION_INDEX = "gold/session_index"
WHO = "who"


def write_sessions(job: Job, events: DataFrame) -> Summary:
    """Writes the latest sessions of these events (columns of silver/events); returns their number.

    Says how many older sessions are left out, and how many have more events than count.
    """
    settings = job.settings
    config = settings.recommend.sessions
    gap = settings.features.session_gap_minutes
    marked = marked_events(events, settings.recommend.interactions, gap)
    found = session_rows(marked, [WHO, SESSION_ID, STARTED], config.max_events)
    # Nothing follows in the others.
    several = found.where(F.size(F.array_distinct("items")) > 1)
    named = F.sha2(F.to_json(F.struct(WHO, SESSION_ID, STARTED)), 256)
    sessions = keep_cached(several.withColumn(SESSION_ID, named))
    counts = sessions.agg(
        F.count(F.lit(1)).alias("all"),
        F.count_if(F.col("n_events") > config.max_events).alias("long"),
    ).collect()[0]
    kept = latest_sessions(sessions, SESSION_ID, counts["all"], config.max_sessions)
    job.writer(SESSION_INDEX).overwrite(
        kept.select(
            SESSION_ID,
            "items",
            F.col("n_events").cast("bigint").alias("n_events"),
            F.timestamp_micros("first_at").alias("began_at"),
            F.timestamp_micros("last_at").alias("ended_at"),
        )
    )
    older = max(counts["all"] - config.max_sessions, 0)
    if older:
        job.say(f"Sessions left out: {older:,}, the oldest (recommend.sessions.max_sessions)")
    if counts["long"]:
        job.say(
            f"Sessions of more than {config.max_events:,} events: {counts['long']:,}; the latest "
            "of their events count (recommend.sessions.max_events)"
        )
    return {"sessions": counts["all"] - older}


def marked_events(
    events: DataFrame, interactions: InteractionsConfig, gap_minutes: int
) -> DataFrame:
    """Returns who, session_id, session_started, at, item_id of the events that count; a row each.

    Those of a type with a weight above 0 that name an item. Where no session was sent it begins
    after `gap_minutes` without any event of who it is; session_started (microseconds since 1970)
    is null where one was. A login leaves a session whole: the anonymous_id goes before the user_id.
    Events without any of the three ids are of no session.
    """
    who = F.coalesce("anonymous_id", USER_ID)
    types = [name for name, weight in interactions.weights.items() if weight > 0]
    item = F.when(F.col(EVENT_TYPE).isin(types), F.col(ITEM_ID))
    at = F.unix_micros(TIMESTAMP)
    known = events.select(who.alias(WHO), SESSION_ID, at.alias(AT), item.alias(ITEM_ID)).where(
        F.coalesce(WHO, SESSION_ID).isNotNull()
    )
    marked = mark_sessions(known, WHO, AT, gap_minutes).where(F.col(ITEM_ID).isNotNull())
    started = F.when(F.col(SESSION_ID).isNull(), F.col(STARTED))
    return marked.select(WHO, SESSION_ID, started.alias(STARTED), AT, ITEM_ID)
