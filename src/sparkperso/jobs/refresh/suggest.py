"""`refresh --suggest`: reads who was shown what and clicked, and KPIs by segment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.window import Window as W

from sparkperso.core.columns import EVENT_TYPE, TIMESTAMP
from sparkperso.decisions.assets import read_files
from sparkperso.jobs.refresh.suggestions import (
    Group,
    SlotRule,
    Suggestion,
    never_shown,
    underperforming,
)
from sparkperso.jobs.train_recommender.job import EVENTS
from sparkperso.pipeline.job import Job
from sparkperso.platform.literals import instant

DECISIONS, KPIS = "silver/decisions", "gold/kpis_daily"
CLICKS = "click_through"
OTHER_VIEWS = ("experiment", "variant", "channel", "strategy", "model_version")


def suggest(job: Job) -> list[Suggestion]:
    """Returns what does worse than what it stands beside, and rules that show nothing.

    Says each, and that there is nothing where there is nothing. Raises JobError without events.
    """
    config = job.settings.refresh.suggestions
    rows = shown_by_slot(job, config.days).collect()
    found = underperforming(groups_of(rows), config.significance_level, config.min_shown)
    found += unseen_rules(job, rows)
    segments, wholes = segment_groups(job, config.days)
    found += underperforming(segments, config.significance_level, config.min_shown, wholes)
    for one in found:
        job.say(str(one))
    if not found:
        job.say("refresh: nothing to suggest")
    return found


def shown_by_slot(job: Job, days: float) -> DataFrame:
    """Returns slot, content_id, rule, decided, shown, clicked: a row for each that was decided.

    `decided` counts decisions, `shown` those that an exposure names, `clicked` those of them that
    a click names. An event names its slot, unless its answer had one alone.
    """
    first = job.as_of - timedelta(days=days)
    rows = job.read(DECISIONS).where(_within(job, first))
    rows = rows.withColumn("n_slots", F.count(F.lit(1)).over(W.partitionBy("decision_id")))
    decided = rows.where(F.col("slot").isNotNull()).alias("d")
    named = (
        job.read(EVENTS)
        .where(F.col(EVENT_TYPE).isin("exposure", "click") & _within(job, first))
        .select(
            F.col("metadata")["decision_id"].alias("decision"),
            F.col("metadata")["slot"].alias("of_slot"),
            EVENT_TYPE,
        )
        .where(F.col("decision").isNotNull())
        .alias("e")
    )
    fits = (F.col("e.decision") == F.col("d.decision_id")) & (
        (F.col("e.of_slot") == F.col("d.slot"))
        | (F.col("e.of_slot").isNull() & (F.col("d.n_slots") == 1))
    )
    joined = decided.join(named, fits, "left")
    by_decision = joined.groupBy("decision_id", "d.slot", "content_id", "rule").agg(
        F.coalesce(F.bool_or(F.col(EVENT_TYPE) == "exposure"), F.lit(False)).alias("is_shown"),
        F.coalesce(F.bool_or(F.col(EVENT_TYPE) == "click"), F.lit(False)).alias("is_clicked"),
    )
    return by_decision.groupBy("slot", "content_id", "rule").agg(
        F.count(F.lit(1)).alias("decided"),
        F.count_if("is_shown").alias("shown"),
        F.count_if(F.col("is_shown") & F.col("is_clicked")).alias("clicked"),
    )


def _within(job: Job, first: datetime) -> Column:
    return F.col(TIMESTAMP).between(instant(first), instant(job.as_of))


def groups_of(rows: Iterable[Row]) -> list[Group]:
    """Returns what rules and contents brought, in each slot."""
    sums: dict[tuple[str, str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in rows:
        for what, name in (("rule", row.rule), ("content", row.content_id)):
            if name is not None:
                n, k = sums[what, name, row.slot]
                sums[what, name, row.slot] = n + row.shown, k + row.clicked
    return [
        Group(what, name, f"slot {slot}, by {what}", n, k)
        for (what, name, slot), (n, k) in sorted(sums.items())
    ]


def unseen_rules(job: Job, rows: Iterable[Row]) -> list[Suggestion]:
    """Returns the enabled rules of conf/rules that nobody was shown anything by."""
    found = list(rows)
    n_by_slot: dict[str, int] = defaultdict(int)
    for row in found:
        n_by_slot[row.slot] += row.decided
    rules = [
        SlotRule(name, rule.show.slot)
        for name, rule in read_files(job.settings, job.conf_dir).rules.items()
        if rule.enabled and rule.show is not None
    ]
    decided = {row.rule for row in found if row.rule}
    seen = {row.rule for row in found if row.rule and row.shown}
    return never_shown(rules, decided, seen, n_by_slot, job.settings.refresh.suggestions.days)


def segment_groups(job: Job, days: float) -> tuple[list[Group], dict[str, tuple[float, float]]]:
    """Returns click-through by segment, and of everybody: sums of gold/kpis_daily over the days."""
    ref = job.lake.ref(KPIS)
    if not ref.exists():
        return [], {}
    first = (job.as_of - timedelta(days=days)).date()
    rows = ref.read().where((F.col("kpi") == CLICKS) & (F.col("day") >= F.lit(first)))
    for column in OTHER_VIEWS:
        rows = rows.where(F.col(column).isNull())
    sums = rows.groupBy("segmentation", "segment").agg(F.sum("denominator"), F.sum("numerator"))
    groups, whole = [], (0.0, 0.0)
    for segmentation, segment, n, k in sums.orderBy("segmentation", "segment").collect():
        if segment is None:
            whole = (n, k)
        else:
            groups.append(Group("segment", segment, f"{CLICKS} by {segmentation}", n, k))
    return groups, {group.place: whole for group in groups}
