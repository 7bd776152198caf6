"""What build-recommendations may list."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config.recommend.lists import EligibilityConfig
from sparkperso.core.columns import ITEM_ID
from sparkperso.jobs.train_recommender.job import ITEMS
from sparkperso.pipeline.job import Job
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.data.user_histories import load_catalogue
from sparkperso.recommend.scoring.eligibility import allowed_items, unused_attributes


def say_unused(job: Job, catalogue: Catalogue) -> None:
    """Says which configured attributes no item has: those rules have no effect."""
    lists = job.settings.recommend.lists
    for name in unused_attributes(lists.eligibility, catalogue):
        job.say(f"No item has the attribute '{name}': that rule of eligibility has no effect")


def hidden_items(job: Job) -> list[str]:
    """Returns the item_ids that nobody may be shown, those that the champion does not know too.

    Sorted; none where nothing is configured. Raises JobError when silver/items has more than
    recommend.max_driver_items rows.
    """
    config = job.settings.recommend
    if config.lists.eligibility == EligibilityConfig():
        return []
    numbered = job.read(ITEMS).select(ITEM_ID, F.lit(0).alias("item_index"))
    known = load_catalogue(numbered, job.read(ITEMS), config.max_driver_items)
    allowed = allowed_items(config.lists.eligibility, known)
    hidden = [] if allowed is None else known.ids[~allowed].tolist()
    return sorted({*hidden, *config.lists.eligibility.blocked_items})


def without_items(events: DataFrame, hidden: list[str]) -> DataFrame:
    """Returns the events of other items than these; all columns, a row per event."""
    if not hidden:
        return events
    listed = events.sparkSession.createDataFrame([(item,) for item in hidden], f"{ITEM_ID} string")
    return events.join(F.broadcast(listed), ITEM_ID, how="left_anti")
