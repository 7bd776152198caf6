"""What sells, per scope."""

from __future__ import annotations

from datetime import datetime, timedelta

from sparkperso.config.recommend.lists import ListsConfig
from sparkperso.config.recommend.models import PopularityParams
from sparkperso.recommend.lists.popular_items import counted_events, popular_items
from sparkperso.testing.frames import events_frame

AS_OF = datetime(2026, 3, 1)
# user, item, country, days ago
ROWS = [
    ("u1", "lamp", "GB", 1),
    ("u2", "lamp", "GB", 2),
    ("u3", "vase", "FR", 1),
    (None, "vase", "FR", 1),
    (None, "vase", "FR", 9),
    ("u1", "rug", None, 20),
]


def scopes(spark, members=None, **settings):
    rows = [
        {
            "user_id": user,
            "anonymous_id": "till",
            "item_id": item,
            "event_type": "purchase",
            "country": country,
            "timestamp": AS_OF - timedelta(days=days),
        }
        for user, item, country, days in ROWS
    ]
    params = PopularityParams(**settings)
    counted = counted_events(events_frame(spark, rows), {"purchase": 1.0}, params, AS_OF)
    found = popular_items(counted, params, ListsConfig(popular_min_events=2), members)
    lists = {}
    for row in found.orderBy("scope", "rank").collect():
        lists.setdefault(row.scope, []).append(row.item_id)
    return lists


def test_items_are_ranked_everywhere_and_per_country_anonymous_events_too(spark):
    assert scopes(spark) == {
        "global": ["vase", "lamp", "rug"],
        "country:GB": ["lamp"],
        "country:FR": ["vase"],
    }


def test_items_are_ranked_per_segment_with_enough_events(spark):
    members = spark.createDataFrame(
        [("u1", "a-1"), ("u2", "a-1"), ("u3", "a-2")], "user_id string, segment_id string"
    )
    found = scopes(spark, members)
    assert found["segment:a-1"] == ["lamp", "rug"]
    assert "segment:a-2" not in found
    assert found["global"] == ["vase", "lamp", "rug"]


def test_a_window_leaves_out_what_is_older(spark):
    assert scopes(spark, window_days=5)["global"] == ["lamp", "vase"]
