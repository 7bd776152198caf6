"""Records of the serving store as rows: namespace, key, value, made by Columns alone.

Their form is that of `sparkperso.services.stores.records`.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.core.consent import Purpose
from sparkperso.ingest.consents import decisions_on
from sparkperso.services.stores import records as store

TITLE = "title"
SEGMENT_FIELDS = ("segment_id", "segmentation", "label", "kind", "model_version", "assigned_at")
"""What is served of a segment that somebody is in; by the first the segments are sorted."""
ISO_MICROS = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
"""As `core.times.iso` writes times, so that texts compare as times do."""


def personal_lists(
    recommendations: DataFrame, titles: DataFrame, prefix: str = store.LISTS
) -> DataFrame:
    """Returns the lists of gold/recommendations: one record per (user_id, kind).

    Strategy and model version are those of its first place. `titles` has item_id, title; `prefix`
    says whose lists they are.
    """
    rows = recommendations.withColumn("namespace", F.concat(F.lit(prefix), "kind"))
    return _lists(rows, titles, "namespace", USER_ID, ("strategy", "model_version"))


def popular_lists(popular: DataFrame, titles: DataFrame) -> DataFrame:
    """Returns the lists of gold/popular_items: one record per scope."""
    rows = popular.select(
        F.lit(store.POPULAR).alias("namespace"),
        *("scope", RANK, ITEM_ID, SCORE, "window"),
        F.lit("popularity").alias("strategy"),
        F.concat(F.lit("popular:"), "scope").alias("reason"),
    )
    return _lists(rows, titles, "namespace", "scope", ("strategy", "window"))


def similar_lists(similar: DataFrame, titles: DataFrame) -> DataFrame:
    """Returns the lists of gold/similar_items: one record per item looked at."""
    rows = similar.select(
        F.lit(store.SIMILAR).alias("namespace"),
        F.col(ITEM_ID).alias("to_item"),
        RANK,
        F.col("other_item_id").alias(ITEM_ID),
        SCORE,
        F.lit("similar_items").alias("strategy"),
        F.concat(F.lit("similar:"), ITEM_ID).alias("reason"),
    )
    return _lists(rows, titles, "namespace", "to_item", ("strategy",))


def profile_records(profiles: DataFrame, features: DataFrame) -> DataFrame:
    """Returns what rules may ask of a person: one record per row of gold/profiles.

    `features` has user_id and one column per feature.
    """
    names = [F.col(name) for name in features.columns if name != USER_ID]
    known = features.select(USER_ID, F.struct(*names).alias("features"))
    joined = profiles.join(known, on=USER_ID, how="left")
    facts = F.struct("country", "birth_year", "attributes", "segments", "features")
    return _records(joined, store.PROFILES, F.col(USER_ID), F.to_json(facts))


def segment_records(members: DataFrame) -> DataFrame:
    """Returns the segments of each user of gold/segments, sorted by id: one record per user."""
    each = F.struct(*SEGMENT_FIELDS)
    users = members.groupBy(USER_ID).agg(F.sort_array(F.collect_list(each)).alias("segments"))
    return _records(users, store.SEGMENTS, F.col(USER_ID), F.to_json("segments"))


def consent_records(decisions: DataFrame, purpose: Purpose) -> DataFrame:
    """Returns the decisions on a purpose in silver/consents: one record per subject."""
    states = decisions_on(decisions, purpose)
    subject = F.concat("subject_kind", F.lit(":"), "subject_id")
    decided_at = F.date_format("decided_at", ISO_MICROS).alias("decided_at")
    decision = F.to_json(F.struct("granted", decided_at))
    return _records(states, store.DECISIONS[purpose], subject, decision)


def item_records(items: DataFrame) -> DataFrame:
    """Returns what silver/items says of each item: one record per item."""
    facts = F.struct(TITLE, "category", "price", "tags", "attributes")
    return _records(items, store.ITEMS, F.col(ITEM_ID), F.to_json(facts))


def key_of(record_id: Column) -> Column:
    """Returns the key of an id, as `services.stores.records.record_key` does."""
    name = record_id.cast("binary")
    hashed = F.concat(F.lit(store.HASHED), F.unhex(F.sha2(name, 256)))
    is_short = F.octet_length(record_id) <= store.LONGEST_ID
    return F.when(is_short, F.concat(F.lit(store.PLAIN), name)).otherwise(hashed)


def _lists(
    rows: DataFrame, titles: DataFrame, namespace: str, key: str, head: tuple[str, ...]
) -> DataFrame:
    item = F.to_json(F.struct(RANK, ITEM_ID, SCORE, "reason", TITLE))
    place = F.struct(RANK, item.alias("item"))
    lists = (
        rows.join(titles, on=ITEM_ID, how="left")
        .groupBy(namespace, key)
        .agg(
            F.sort_array(F.collect_list(place)).alias("places"),
            F.min_by(F.to_json(F.struct(*head)), RANK).alias("head"),
        )
    )
    # The members of an object, without its braces.
    members = F.expr("substring(head, 2, length(head) - 2)")
    items = F.array_join("places.item", store.BETWEEN.decode())
    value = F.concat(members, F.lit(store.HEAD_END.decode()), items)
    return _records(lists, F.col(namespace), F.col(key), value)


def _records(
    rows: DataFrame, namespace: str | Column, record_id: Column, text: Column
) -> DataFrame:
    named = F.lit(namespace) if isinstance(namespace, str) else namespace
    return rows.select(
        named.alias("namespace"),
        key_of(record_id).alias("key"),
        text.cast("binary").alias("value"),
    )
