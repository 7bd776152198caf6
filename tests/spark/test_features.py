"""User features: the truth of the click stream, the laws, and what rates are at their edges."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.testing.clickstream import make_click_stream
from sparkperso.testing.compare import assert_same_rows
from sparkperso.testing.frames import events_frame

AS_OF = datetime(2026, 6, 30, 12)


@pytest.fixture
def features_of(spark, settings):
    """Returns features_of(rows, as_of=AS_OF, partitions=2, **config) → {user_id: Row}."""
    from sparkperso.features.users import build_user_features

    def build(rows, as_of=AS_OF, partitions=2, **config):
        own = settings.features.model_copy(update=config)
        frame = events_frame(spark, rows)
        return build_user_features(frame, own, as_of, partitions)

    return build


def by_user(frame):
    return {row.user_id: row for row in frame.collect()}


def event(when, kind="page_view", user="u", **fields):
    return {"user_id": user, "timestamp": when, "event_type": kind, **fields}


@pytest.mark.parametrize("seed", [7, 8])
def test_features_of_the_click_stream_equal_its_truth_exactly(features_of, seed):
    stream = make_click_stream(n_users=24, seed=seed)
    found = by_user(features_of(stream.events, stream.as_of))
    assert found.keys() == stream.truth.keys()
    for user, truth in stream.features().items():
        assert {name: found[user][name] for name in truth} == truth
    assert set(truth) >= set(NUMERIC_FEATURES)


def test_later_events_change_nothing(features_of):
    stream = make_click_stream(n_users=12)
    as_of = stream.as_of - timedelta(days=20)
    until = [
        e
        for e in stream.events
        if datetime.fromisoformat(e["timestamp"][:-1]) <= as_of.replace(tzinfo=None)
    ]
    assert 0 < len(until) < len(stream.events)
    assert_same_rows(features_of(until, as_of), features_of(stream.events, as_of))


def test_an_event_at_as_of_counts_and_one_a_millisecond_later_does_not(features_of):
    rows = [event(AS_OF), event(AS_OF + timedelta(milliseconds=1))]
    row = by_user(features_of(rows))["u"]
    assert (row.n_events, row.inactive_days, row.visits_7d) == (1, 0.0, 1)


def test_the_number_of_partitions_does_not_show(features_of):
    events = make_click_stream(n_users=12).events
    assert_same_rows(features_of(events, partitions=1), features_of(events[::-1], partitions=5))


def test_events_that_name_no_user_make_no_row(features_of):
    rows = [event(AS_OF), {"anonymous_id": "a", "timestamp": AS_OF, "event_type": "click"}]
    assert by_user(features_of(rows)).keys() == {"u"}


def test_visits_count_sessions_begun_after_the_window_opens(features_of):
    rows = [event(AS_OF - timedelta(days=7)), event(AS_OF - timedelta(days=7) + timedelta(hours=1))]
    row = by_user(features_of(rows))["u"]
    assert (row.sessions, row.visits_7d, row.visits_30d) == (2, 1, 2)


def test_rates_of_nothing_are_zero_and_maps_empty(features_of):
    row = by_user(features_of([event(AS_OF, "identify")]))["u"]
    none = (row.click_through, row.add_to_cart_rate, row.refund_share, row.basket_size)
    assert (*none, row.avg_scroll_depth, row.share_mobile, row.monetary) == (0.0,) * 7
    assert (row.category_mix, row.feature_use, row.top_category) == ({}, {}, None)


def test_recency_of_a_user_who_never_bought_is_the_time_since_the_first_event(features_of):
    rows = [event(AS_OF - timedelta(days=3)), event(AS_OF - timedelta(days=1))]
    rows += [event(AS_OF - timedelta(days=2), "purchase", "v", value=1.0), event(AS_OF, user="v")]
    found = by_user(features_of(rows))
    assert (found["u"].recency_days, found["v"].recency_days) == (3.0, 2.0)


def test_an_order_may_span_sessions_and_a_session_hold_orders(features_of):
    def bought(hours, order, item):
        when = AS_OF - timedelta(hours=hours)
        return event(when, "purchase", item_id=item, value=2.0, metadata={"order_id": order})

    rows = [bought(9, "1", "a"), bought(5, "1", "b"), bought(5, "1", "b"), bought(5, "2", "a")]
    row = by_user(features_of(rows))["u"]
    assert (row.frequency, row.basket_size, row.monetary) == (2, 1.5, 8.0)


def test_numbers_that_are_none_are_left_out(features_of):
    rows = [event(AS_OF, "scroll", metadata={"depth": d}) for d in ("10", "deep", "NaN", "20")]
    rows += [event(AS_OF, "purchase", value=v) for v in (float("inf"), 5.0)]
    row = by_user(features_of(rows))["u"]
    assert (row.avg_scroll_depth, row.monetary) == (15.0, 5.0)


def test_hours_and_weekends_are_those_of_the_configured_zone(features_of):
    rows = [event("2026-06-26T22:30:00Z")]  # a Friday evening; in Berlin it is Saturday
    utc = by_user(features_of(rows))["u"]
    berlin = by_user(features_of(rows, time_zone="Europe/Berlin"))["u"]
    assert (utc.share_evening, utc.weekend_share) == (1.0, 0.0)
    assert (berlin.share_night, berlin.weekend_share) == (1.0, 1.0)


def test_one_shuffle_is_all_that_user_features_need(features_of):
    plan = features_of([event(AS_OF)])._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Exchange") == 1
