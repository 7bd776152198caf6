"""KPIs by day are what plain Python counts, whichever days are told together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.kpis import (
    AS_OF,
    DAYS,
    METRICS,
    START,
    plain_kpis,
    shop_decisions,
    shop_events,
    shop_history,
)

from sparkperso.experiments.analysis.segments_at import memberships
from sparkperso.monitoring.kpis.rows import VIEW, KpiPlan, kpi_rows
from sparkperso.monitoring.kpis.unit_days import MOST_SHOWN
from sparkperso.testing.frames import events_frame, table_frame

ALL_DAYS = [(START + timedelta(days=n)).date() for n in range(DAYS)]
PLAN = KpiPlan(METRICS, AS_OF, 30)


def told(frame):
    return {
        (row["day"], row["kpi"], tuple(row[name] for name in VIEW)): (
            row["numerator"],
            row["denominator"],
            row["value"],
        )
        for row in frame.collect()
    }


@pytest.fixture(scope="module")
def frames(spark):
    events = events_frame(spark, shop_events())
    decisions = table_frame(spark, "silver/decisions", shop_decisions())
    history = table_frame(spark, "gold/segment_history", shop_history())
    return events, decisions, memberships(history, ["people"])


@pytest.fixture(scope="module")
def whole(frames):
    return told(kpi_rows(*frames, PLAN, ALL_DAYS))


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, numbers in expected.items():
        assert found[key] == pytest.approx(numbers, abs=1e-5), key


def test_kpis_are_what_plain_python_counts(whole):
    expected = plain_kpis(shop_events(), shop_decisions(), shop_history())
    views = {key[2] for key in expected}
    assert len(views) > 8
    assert {key[1] for key in expected} == {metric.name for metric in METRICS}
    same(whole, expected)


def test_a_day_does_not_depend_on_the_days_that_are_told_with_it(frames, whole):
    some = [ALL_DAYS[3], ALL_DAYS[4], ALL_DAYS[8]]
    found = told(kpi_rows(*frames, PLAN, some))
    assert found == {key: numbers for key, numbers in whole.items() if key[0] in some}


def test_partitions_show_in_no_digit(frames, whole):
    events, decisions, members = frames
    spread = events.repartition(7, "event_type")
    assert told(kpi_rows(spread, decisions, members, PLAN, ALL_DAYS)) == whole


def test_nothing_later_than_as_of_counts(frames):
    early = AS_OF - timedelta(days=3, hours=7)
    found = told(kpi_rows(*frames, KpiPlan(METRICS, early, 30), ALL_DAYS))
    same(found, plain_kpis(shop_events(), shop_decisions(), shop_history(), early))


def test_without_decisions_and_segments_those_views_are_absent(frames, whole):
    found = told(kpi_rows(frames[0], None, None, PLAN, ALL_DAYS))
    places = [VIEW.index(name) for name in ("segment", "strategy", "model_version")]
    assert found == {
        key: numbers
        for key, numbers in whole.items()
        if all(key[2][place] is None for place in places)
    }


def test_people_are_counted_beside_what_they_did(frames):
    rows = kpi_rows(*frames, PLAN, ALL_DAYS).collect()
    kinds = {metric.name: metric.kind for metric in METRICS}
    of_users = [row for row in rows if kinds[row["kpi"]] != "ratio"]
    assert all(row["n_users"] == row["denominator"] for row in of_users)
    users = {(row["day"], *(row[name] for name in VIEW)): row["n_users"] for row in of_users}
    ratios = [row for row in rows if kinds[row["kpi"]] == "ratio"]
    assert any(row["n_users"] != row["denominator"] for row in ratios)
    for row in ratios:
        assert row["n_users"] == users[(row["day"], *(row[name] for name in VIEW))]


def test_of_experiments_that_somebody_makes_up_so_many_are_told(spark):
    exposures = [
        {
            "event_type": "exposure",
            "user_id": "u",
            "timestamp": START,
            "metadata": {"experiment": f"made-up-{n:04}", "variant": "a"},
        }
        for n in range(300)
    ]
    rows = kpi_rows(events_frame(spark, exposures), None, None, PLAN, ALL_DAYS[:1]).collect()
    named = {row["experiment"] for row in rows} - {None}
    assert named == {f"made-up-{n:04}" for n in range(MOST_SHOWN)}
