"""build-recommendations: the champion's lists for every user; items and sessions for everybody.

Similar and popular items, recent sessions. Four tables, each replaced in one commit: a reader sees
the old lists or the new ones, whole.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import functions as F

from sparkperso.config.recommend.models import PopularityParams
from sparkperso.core.columns import TIMESTAMP
from sparkperso.jobs.build_recommendations.candidate import write_candidate
from sparkperso.jobs.build_recommendations.champion import popularity_params
from sparkperso.jobs.build_recommendations.list_policy import (
    hidden_items,
    without_items,
)
from sparkperso.jobs.build_recommendations.personal_lists import (
    CANDIDATE_RECOMMENDATIONS,
    RECOMMENDATIONS,
    count_lists,
    has_lists_to_keep,
    write_lists,
)
from sparkperso.jobs.build_recommendations.session_index import SESSION_INDEX, write_sessions
from sparkperso.jobs.build_recommendations.shop_lists import (
    POPULAR,
    SIMILAR,
    write_popular,
    write_similar,
)
from sparkperso.jobs.train_recommender.job import EVENTS, MODEL
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.literals import instant
from sparkperso.recommend.lists.popular_items import window_text


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
    job.count(0, 4, "tables")
    if keeps:
        job.say(
            "There is no champion: the lists of the last one stay as they are "
            "(recommend.lists.without_champion)"
        )
    else:
        lists = write_lists(job, events, version, params)
    job.count(1, 4, "tables")
    compared = write_candidate(job, events, version)
    listed = without_items(events, hidden)
    write_popular(job, listed, params)
    job.count(2, 4, "tables")
    write_similar(job, version, hidden)
    job.count(3, 4, "tables")
    sessions = write_sessions(job, listed)
    job.count(4, 4, "tables")
    figures = {**summarise(job, params, lists, keeps), **sessions}
    return {**figures, "compared with": f"version {compared}"} if compared else figures


def summarise(job: Job, params: PopularityParams, lists: Summary | None, keeps: bool) -> Summary:
    """Returns the figures to print; `keeps` says whether personal lists stayed as they were."""
    return {
        **({"champion": "none, its last lists stay"} if keeps else {}),
        **(lists or count_lists(job)),
        "popular": window_text(params),
        "similar": job.lake.ref(SIMILAR).read().count(),
    }


# No inputs are named: which version is champion is not in a table, so it is never skipped.
STEP = Step(
    name="build-recommendations",
    action=build_recommendations,
    outputs=(RECOMMENDATIONS, CANDIDATE_RECOMMENDATIONS, POPULAR, SIMILAR, SESSION_INDEX),
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
