"""publish: the tables that services answer from → a new version of the serving store.

1. Records are made of the tables by Spark, and written into a draft, which no reader sees; the
   session index is made in this process.
2. The draft is sealed, opened as a reader opens it, and checked: counts, lists and next items read
   back, and coverage against the version before.
3. The draft becomes current in one step; versions beyond `publish.keep_versions` are removed.

Whatever fails before the third step leaves the store as it was.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.config import Settings
from sparkperso.core.columns import ITEM_ID, USER_ID
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.core.times import now
from sparkperso.jobs.publish import records
from sparkperso.jobs.publish.checks import require_coverage, require_same_lists, require_written
from sparkperso.jobs.publish.session_index import SessionIndex
from sparkperso.jobs.publish.writing import write_in_tasks, write_through_files
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.platform.literals import aware, moment
from sparkperso.segments.tables.table_rows import last_changes
from sparkperso.services.stores.base import Draft, Store
from sparkperso.services.stores.factory import open_store, store_folder
from sparkperso.services.stores.manifest import BrokenVersionError, Facts
from sparkperso.services.stores.records import CANDIDATE_LISTS, DECISIONS, LISTS

RECOMMENDATIONS, POPULAR = "gold/recommendations", "gold/popular_items"
CANDIDATE_RECOMMENDATIONS = "gold/candidate_recommendations"
SHARES = "gold/experiment_shares"
STAGES = 5


def publish(job: Job) -> Summary:
    """Publishes a version and returns what is in it; with the option `rollback` goes back to one.

    Raises QualityGateError where the version covers less than `publish.min_coverage` of the one
    before, and JobError where there is nothing to publish, or what was written is not what is read.
    """
    store = open_store(job.settings)
    try:
        if job.options.get("rollback"):
            new, old = store.rollback()
            return {"version": new, "instead of": old}
        return publish_tables(job, store)
    finally:
        store.close()


def publish_tables(job: Job, store: Store) -> Summary:
    """Publishes the tables as they are now; see `publish`."""
    config, facts = job.settings.publish, read_facts(job)
    before = sizes_before(job, store)
    job.count(0, STAGES, "stages")
    with store.draft() as draft:
        counts = write_records(job, store, draft)
        job.count(1, STAGES, "stages")
        sessions = SessionIndex(job)
        sessions.write(draft)
        job.count(2, STAGES, "stages")
        facts = facts.model_copy(update={"sessions": sessions.n_sessions})
        require_written(counts, draft.seal(facts))
        job.count(3, STAGES, "stages")
        with store.open(draft.name) as version:
            require_coverage(before, version.manifest.sizes(), config.min_coverage)
            lists = job.read(RECOMMENDATIONS)
            n_same = require_same_lists(version, lists, config.sample_reads)
            n_answers = sessions.require_same_answers(version, config.sample_reads)
        job.count(4, STAGES, "stages")
        started = time.monotonic()
        store.release(draft, config.keep_versions)
        seconds = time.monotonic() - started
        store.clean()
        job.count(STAGES, STAGES, "stages")
    by_kind = {f"lists {n.removeprefix(LISTS)}": counts[n] for n in counts if n.startswith(LISTS)}
    others = {name: n for name, n in counts.items() if not name.startswith(LISTS)}
    return {
        "version": draft.name,
        **by_kind,
        **others,
        "sessions": sessions.n_sessions,
        "lists read back": n_same,
        "next items read back": n_answers,
        "switched in ms": round(seconds * 1000, 1),
    }


def read_facts(job: Job) -> Facts:
    """Returns what the version is made of.

    Raises JobError where there are neither lists nor popular items.
    """
    read_at = now()
    firsts = job.read(RECOMMENDATIONS).where("rank = 1 AND kind = 'new'").groupBy("model_version")
    latest = F.unix_micros(F.max("generated_at"))
    rows = firsts.agg(F.count(F.lit(1)), latest).orderBy("model_version").collect()
    if not rows and job.read(POPULAR).isEmpty():
        raise JobError(
            "publish needs lists, or popular items",
            f"There are none in {job.settings.lake.root}",
            "Run 'sparkperso build-recommendations' first",
        )
    lists = Counter({row[0]: row[1] for row in rows})
    return Facts(
        read_at=read_at,
        segments_at=segments_known_at(job),
        as_of=_aware(job.read("gold/user_features").agg(F.unix_micros(F.max("as_of"))).first()),
        model_version=lists.most_common(1)[0][0] if lists else None,
        candidate_version=candidate_version(job),
        lists_at=_aware((max(row[2] for row in rows),) if rows else None),
        shares=shares_of_bandits(job),
    )


def shares_of_bandits(job: Job) -> dict[str, dict[str, dict[str, float]]]:
    """Returns gold/experiment_shares: key → segment, "" for everybody else → variant → share."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    # Of variants and segments there are few: analyze-experiments holds them to a bound.
    rows = job.read(SHARES).select("experiment", "segment", "variant", "share")
    for key, segment, variant, share in rows.orderBy(*rows.columns).collect():
        found.setdefault(key, {}).setdefault(segment or "", {})[variant] = share
    return found


def candidate_version(job: Job) -> str | None:
    """Returns the model that made most of the candidate's lists; None where it has none."""
    firsts = job.read(CANDIDATE_RECOMMENDATIONS).where("rank = 1 AND kind = 'new'")
    most = firsts.groupBy("model_version").count().orderBy(F.desc("count"), "model_version").first()
    return None if most is None else str(most[0])


def segments_known_at(job: Job) -> datetime | None:
    """Returns the time up to which gold/segments has all changes of gold/segment_history.

    A stream writes the history first: changes that are there alone are later than that. None
    without a history.
    """
    members = job.read("gold/segments").select(USER_ID, "segment_id", "segmentation")
    last = last_changes(job.read("gold/segment_history"), "assigned_at")
    both = last.join(
        members.withColumn("is_in", F.lit(True)), on=members.columns, how="left"
    ).withColumn("is_in", F.coalesce("is_in", F.lit(False)))
    at = F.unix_micros("last.assigned_at")
    is_missing = (F.col("last.change") == "entered") != F.col("is_in")
    # One microsecond before the first that is missing.
    first = F.min(F.when(is_missing, at - 1))
    return _aware(both.agg(F.coalesce(first, F.max(at))).first())


def _aware(row: Any) -> datetime | None:
    return None if row is None or row[0] is None else aware(moment(row[0]))


def sizes_before(job: Job, store: Store) -> Mapping[str, int]:
    """Returns the sizes of the current version (`Manifest.sizes`), none without a good one."""
    current = store.current()
    if current is None:
        return {}
    try:
        with store.open(current) as version:
            return version.manifest.sizes()
    except BrokenVersionError as error:
        job.say(f"{error} Coverage is compared with no version")
        return {}


def write_records(job: Job, store: Store, draft: Draft) -> Mapping[str, int]:
    """Writes all records of the tables; returns how many they are, by namespace."""
    everything = all_records(job)
    if store.is_shared:
        return write_in_tasks(everything, draft)
    return write_through_files(job, everything, draft)


def all_records(job: Job) -> DataFrame:
    """Returns the records of a version (namespace, key, value), in no order."""
    items, features = job.read("silver/items"), job.read("gold/user_features")
    titles = items.select(ITEM_ID, "title")
    latest = features.agg(F.max("as_of").alias("as_of"))
    of_now = features.join(F.broadcast(latest), on="as_of", how="inner").drop("as_of")
    parts = (
        records.personal_lists(job.read(RECOMMENDATIONS), titles),
        records.personal_lists(job.read(CANDIDATE_RECOMMENDATIONS), titles, CANDIDATE_LISTS),
        records.popular_lists(job.read(POPULAR), titles),
        records.similar_lists(job.read("gold/similar_items"), titles),
        records.profile_records(job.read("gold/profiles"), of_now),
        records.segment_records(job.read("gold/segments")),
        *(records.consent_records(job.read("silver/consents"), one) for one in DECISIONS),
        records.item_records(items),
    )
    return reduce(DataFrame.unionByName, parts)


def require_place(settings: Settings) -> None:
    """Raises ConfigError for a store of LMDB whose records could not pass through the lake."""
    if settings.store.kind == "redis":
        return
    store_folder(settings)
    if settings.lake.catalog:
        raise ConfigError(
            "Records of a store of LMDB pass through a folder of the lake (lake.root)",
            f"The tables are in the catalog '{settings.lake.catalog}'",
            "Use Redis: --store redis",
        )


# No inputs are named: a version may have been rolled back, or removed, since the last run.
STEP = Step(name="publish", action=publish, check=require_place)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    kind = arguments.pop("store", None)
    if kind:
        arguments["assignments"] = (*arguments["assignments"], f"store.kind={kind}")
    run_step(STEP, arguments)
