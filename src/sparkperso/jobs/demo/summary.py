"""What came of a run, read from its tables and from the champion's document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import functions as F

from sparkperso.jobs.train_recommender.job import MODEL
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.runner import figures
from sparkperso.pipeline.step import Outcome

LIST_LENGTH = 10


@dataclass(frozen=True)
class StepLine:
    """A step of the run."""

    name: str
    status: str
    seconds: float
    text: str


@dataclass(frozen=True)
class SegmentLine:
    """A segment of the latest segmentations."""

    segmentation: str
    segment_id: str
    size: int
    label: str
    sentence: str


@dataclass(frozen=True)
class ListItem:
    """A place of a user's list."""

    rank: int
    item_id: str
    title: str
    score: float
    strategy: str


@dataclass(frozen=True)
class RunSummary:
    """What a run did, and what its tables hold now."""

    as_of: str
    steps: list[StepLine]
    segments: list[SegmentLine]
    lists: dict[str, list[ListItem]]
    """user_id → list, in order of rank."""
    leaderboard: dict[str, dict[str, float]] = field(default_factory=dict)
    """Model → metric → value on the test; empty where there is no champion."""
    champion: str = ""
    metric: str = ""
    """The metric that models were tested by; empty where there is no champion."""


def read_summary(job: Job, outcomes: Mapping[str, Outcome], n_users: int) -> RunSummary:
    """Returns what came of a run, with the lists of `n_users` users of typical activity.

    Typical are those with the median number of interactions (Spark's percentile_approx) and above.
    """
    steps = [
        StepLine(n, o.status, o.seconds, str(o.error) if o.error else figures(o.summary))
        for n, o in outcomes.items()
    ]
    champion = job.tracking.by_alias(MODEL, "champion")
    document: Mapping[str, Any] = champion.document if champion else {}
    test = document.get("test", {})
    return RunSummary(
        str(document.get("as_of", "")),
        steps,
        _segments(job),
        _lists(job, n_users),
        test.get("metrics", {}),
        f"{document['strategy']}, version {champion.version}" if champion else "",
        test.get("metric", ""),
    )


def _segments(job: Job) -> list[SegmentLine]:
    profiles = job.lake.ref("gold/segment_profiles").read()
    rows = profiles.select("segmentation", "segment_id", "size", "label", "sentence")
    lines = rows.orderBy("segmentation", "segment_id").collect()
    return [SegmentLine(*row) for row in lines]


def _lists(job: Job, n_users: int) -> dict[str, list[ListItem]]:
    """Returns the lists of the users with the middle number of interactions and around it."""
    counts = job.lake.ref("gold/interactions").read().groupBy("user_id").count()
    middle = counts.agg(F.percentile_approx("count", 0.5).alias("middle"))
    near = counts.crossJoin(middle).where(F.col("count") >= F.col("middle"))
    users = near.orderBy("count", "user_id").limit(n_users).select("user_id", "count")
    is_shown = (F.col("kind") == "new") & (F.col("rank") <= LIST_LENGTH)
    lists = job.lake.ref("gold/recommendations").read().where(is_shown)
    titles = job.lake.ref("silver/items").read().select("item_id", "title")
    rows = lists.join(F.broadcast(users), on="user_id").join(titles, on="item_id", how="left")
    lists_of_users: dict[str, list[ListItem]] = {}
    for row in rows.orderBy("count", "user_id", "rank").collect():
        item = ListItem(row["rank"], row.item_id, row.title or "", row.score, row.strategy)
        lists_of_users.setdefault(str(row.user_id), []).append(item)
    return lists_of_users
