"""Features of conf/features: what their SQL says of a user's events, in the one pass there is."""

from __future__ import annotations

import pytest

from sparkperso.config.own_features import OwnFeature
from sparkperso.core.errors import ConfigError
from sparkperso.testing.clickstream import make_click_stream
from sparkperso.testing.compare import assert_same_rows
from sparkperso.testing.frames import events_frame

STREAM = make_click_stream(n_users=12)


def own(name, sql, **fields):
    return OwnFeature(name=name, sql=sql, description="for a test", **fields)


OWN = (
    own("items", "count(distinct item_id)"),
    own("middle_value", "percentile(value, 0.5)", missing=-1),
    own(
        "views_per_order", "count_if(event_type = 'item_view') / count_if(event_type = 'purchase')"
    ),
    own("late", "count_if(event_type = 'page_view')", window_days=5, missing=0),
    own("age_of_first", "timestampdiff(DAY, min(timestamp), max(as_of))", window_days=20),
)


@pytest.fixture(scope="module")
def events(spark):
    return events_frame(spark, STREAM.events)


@pytest.fixture(scope="module")
def built(spark, events):
    from sparkperso.config import load_settings
    from sparkperso.features.users import build_user_features

    config = load_settings().features

    def build(own, partitions=2):
        return build_user_features(events, config, STREAM.as_of, partitions, own)

    return build


def test_a_feature_is_its_sql_over_the_users_events_of_its_window(spark, events, built):
    from pyspark.sql import functions as F

    from sparkperso.platform.literals import instant

    now = instant(STREAM.as_of)
    known = events.where(F.col("user_id").isNotNull() & (F.col("timestamp") <= now))
    known = known.withColumn("as_of", now)
    rows = {row.user_id: row for row in built(OWN).collect()}
    spark.conf.set("spark.sql.ansi.enabled", "false")
    try:
        for feature in OWN:
            since = F.expr(f"timestamp > as_of - INTERVAL {feature.window_days or 9999:g} DAYS")
            asked = known.where(since).groupBy("user_id").agg(F.expr(feature.sql).alias("v"))
            expected = {row.user_id: row.v for row in asked.collect()}
            for user, row in rows.items():
                value = expected.get(user)
                value = feature.missing if value is None else float(value)
                assert row[feature.name] == pytest.approx(value, abs=1e-6), (feature.name, user)
            assert len({row[feature.name] for row in rows.values()}) > 1
    finally:
        spark.conf.unset("spark.sql.ansi.enabled")


def test_the_suites_own_features_are_the_same_beside_them(built):
    plain = built(())
    assert_same_rows(plain, built(OWN).select(plain.columns))
    assert_same_rows(built(OWN, partitions=1), built(OWN, partitions=5))


def test_they_cost_no_further_pass_over_the_events(spark, built, tmp_path):
    def plan(frame):
        return frame._jdf.queryExecution().executedPlan().toString()

    for word in ("Scan", "repartition"):
        assert plan(built(OWN)).count(word) == plan(built(())).count(word)
    assert "Join" not in plan(built(OWN))


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("count_if(event_typ = 'x')", "event_typ"),
        ("value", "no aggregate"),
        ("1", "no aggregate"),
        ("sum(value", "Syntax"),
        ("max(item_id)", "no number, but string"),
        ("max(value > 1)", "no number, but boolean"),
        ("first(value)", "may change from run to run"),
        ("sum(value * rand())", "NONDETERMINISTIC"),
        ("max(datediff(current_date(), timestamp))", "asks the clock"),
        ("sum(no_such(value))", "no_such"),
        ("max(is_new_order)", "is_new_order"),
    ],
)
def test_sql_that_gives_no_number_per_user_is_refused_by_name(events, sql, says):
    from sparkperso.features.own_features import require_aggregates

    with pytest.raises(ConfigError, match="wrong: ") as error:
        require_aggregates(events, [*OWN, own("wrong", sql)], STREAM.as_of)
    assert says in str(error.value)
    assert "items:" not in str(error.value)
