"""Lists in Spark: rules reach the tasks, similar items are the same by all pairs and by a graph."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.recommend.test_eligibility import ALL, YEAR, Fixed, catalogue_of, may_see, wild
from tests.unit.recommend.test_nearest_items import directions

from sparkperso.config.recommend.lists import DiversityConfig, ListsConfig
from sparkperso.jobs.build_recommendations.list_policy import (
    hidden_items,
    say_unused,
    without_items,
)
from sparkperso.recommend.lists.batch_scoring import list_frame
from sparkperso.recommend.lists.similar_items import similar_items
from sparkperso.recommend.scoring.diversity import make_diversity
from sparkperso.recommend.scoring.eligibility import allowed_items, user_rules
from sparkperso.recommend.scoring.lister import Lister
from sparkperso.recommend.scoring.selection import list_selection
from sparkperso.recommend.scoring.top_n import Selection

N_ITEMS, LIMIT = 300, 2


def users_frame(spark, users, n_partitions):
    nothing = [[] for _ in users]
    table = pa.table(
        {
            "user_id": [f"u{row}" for row in range(len(users))],
            "items": pa.array(nothing, pa.list_(pa.int32())),
            "strengths": pa.array(nothing, pa.list_(pa.float32())),
            "ages": pa.array(nothing, pa.list_(pa.float32())),
            "attributes": pa.array([list(own) for own in users], pa.list_(pa.string())),
        }
    )
    return spark.createDataFrame(table).repartition(n_partitions)


def test_lists_hold_what_users_may_see_whatever_the_partitions(spark):
    users = [(), ("country=GB",), ("born=1990", "country=FR")] * 5
    catalogue, scores = wild(2)
    select = Selection(
        20,
        allowed_items(ALL, catalogue),
        rules=user_rules(ALL, catalogue, YEAR),
        reranker=make_diversity(DiversityConfig(max_per_category=LIMIT), catalogue),
    )
    lister = Lister(Fixed(scores), "fixed", catalogue, select, Fixed(np.abs(scores)))
    found = [
        sorted(list_frame(users_frame(spark, users, n), lister).collect(), key=lambda r: r[:2])
        for n in (1, 4)
    ]
    assert found[0] == found[1]
    kept = {}
    for row in found[0]:
        item = int(row.item_id[1:])
        assert may_see(item, users[int(row.user_id[1:])], catalogue)
        if catalogue.categories[item]:
            kept.setdefault((row.user_id, catalogue.categories[item]), []).append(item)
    assert max(len(items) for items in kept.values()) == LIMIT


@pytest.fixture(scope="module")
def factors(spark):
    items = directions(n_items=N_ITEMS)
    vectors = pa.array(list(items.vectors * 3), pa.list_(pa.float32()))
    table = pa.table({"item_id": pa.array(items.ids, pa.string()), "factors": vectors})
    return spark.createDataFrame(table)


def rows_of(frame):
    return sorted(tuple(row) for row in frame.collect())


def test_similar_items_do_not_depend_on_partitions_and_a_graph_finds_them_too(factors):
    exact = rows_of(similar_items(factors.sparkSession, factors, ListsConfig(n_similar=5), 1000))
    assert len(exact) == 5 * N_ITEMS
    assert (
        rows_of(
            similar_items(
                factors.sparkSession, factors.repartition(3), ListsConfig(n_similar=5), 1000
            )
        )
        == exact
    )
    searched = ListsConfig(n_similar=5, exact_items=N_ITEMS - 1)
    found = rows_of(similar_items(factors.sparkSession, factors, searched, 1000))
    assert (
        rows_of(similar_items(factors.sparkSession, factors.repartition(3), searched, 1000))
        == found
    )
    assert len(set(found) & set(exact)) >= 0.95 * len(exact)


@pytest.mark.parametrize("exact_items", [0, 1000])
def test_hidden_items_are_nobodys_neighbour_and_have_neighbours(factors, exact_items):
    hidden = [f"i{item:05d}" for item in range(100)]
    config = ListsConfig(n_similar=3, exact_items=exact_items)
    rows = rows_of(similar_items(factors.sparkSession, factors, config, 1000, hidden))
    assert not {other for _, _, other, _ in rows} & set(hidden)
    assert set(hidden) <= {item for item, *_ in rows}


def test_the_job_reads_its_rules_from_the_configuration(spark, make_job):
    job = make_job(
        "build-recommendations",
        [
            "recommend.lists.eligibility.in_stock=stock",
            "recommend.lists.eligibility.min_age=limit",
            "recommend.lists.eligibility.blocked_items=[gone]",
        ],
        as_of=datetime(2026, 5, 1),
    )
    said = []
    job.say = said.append
    catalogue = catalogue_of([{"stock": "0"}, {"stock": "1"}])
    say_unused(job, catalogue)
    select = list_selection(job.settings.recommend.lists, catalogue, job.as_of, {})
    assert list(select.allowed) == [False, True]
    assert select.rules == ()
    assert len(said) == 1
    assert "'limit'" in said[0]
    events = spark.createDataFrame([("a",), ("gone",), (None,)], "item_id string")
    assert sorted(str(r.item_id) for r in without_items(events, ["gone"]).collect()) == [
        "None",
        "a",
    ]
    assert hidden_items(make_job("build-recommendations", as_of=datetime(2026, 5, 1))) == []
