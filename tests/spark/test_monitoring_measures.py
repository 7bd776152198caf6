"""Numbers that checks look at: as numpy counts them, wherever rows lie."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

from sparkperso.monitoring.measures.distributions import bin_counts, name_counts, quantile_edges
from sparkperso.monitoring.measures.volumes import EVERYTHING, daily_counts, volume_series
from sparkperso.testing.frames import events_frame

N = 300
DAY = date(2026, 3, 10)


@pytest.fixture(scope="module")
def users(spark):
    rng = np.random.default_rng(1)
    amounts = np.where(rng.random(N) < 0.4, 0.0, rng.exponential(50, N))
    rows = [
        (f"u{n}", float(amounts[n]), math.nan if n % 50 == 0 else float(n), None, f"s{n % 3}")
        for n in range(N)
    ]
    names = "user_id string, amount double, place double, nothing double, segment string"
    return spark.createDataFrame(rows, names), amounts


COLUMNS = ["amount", "place", "nothing"]


def test_edges_are_quantiles_equal_ones_once(users):
    frame, amounts = users
    edges = quantile_edges(frame, "user_id", COLUMNS, 10, 10_000)
    expected = sorted(set(np.quantile(amounts, np.arange(1, 10) / 10)))
    assert edges["amount"] == pytest.approx(expected)
    assert len(edges["amount"]) == 6  # of nine, since two fifths have nothing
    assert edges["nothing"] == []
    assert not any(map(math.isnan, edges["place"]))


def test_bins_count_every_row_once_and_have_their_upper_edge(users):
    frame, amounts = users
    edges = {"amount": [0.0, 30.0], "place": [99.5], "nothing": []}
    counts = bin_counts(frame, edges)
    few = [int((amounts <= 0).sum()), int(((amounts > 0) & (amounts <= 30)).sum())]
    assert counts["amount"] == [*few, N - sum(few), 0]
    assert counts["place"] == [100 - 2, 200 - 4, 6]
    assert counts["nothing"] == [0, N]
    assert bin_counts(frame, {}) == {}


@pytest.mark.parametrize("sample", [10_000, 100])
def test_partitions_and_order_do_not_show(users, sample):
    frame, _ = users
    spread = frame.orderBy("amount").repartition(7, "place")
    edges = quantile_edges(frame, "user_id", COLUMNS, 10, sample)
    assert quantile_edges(spread, "user_id", COLUMNS, 10, sample) == edges
    assert bin_counts(spread, edges) == bin_counts(frame, edges)


def test_names_are_counted_by_group(users):
    frame, _ = users
    found = name_counts(frame.selectExpr("'people' AS g", "segment"), "g", "segment")
    assert found == {"people": {"s0": 100, "s1": 100, "s2": 100}}


def test_volumes_are_told_by_each_of_their_kinds_with_days_without_any(spark):
    rows = [
        {"user_id": "u", "timestamp": f"2026-03-{day:02}T12:00:00", "event_type": kind, **more}
        for day, kind, more in [
            (5, "click", {"channel": "web"}),
            (5, "click", {"channel": "mobile"}),
            (8, "purchase", {"channel": "web"}),
            (11, "click", {"channel": "web"}),
        ]
    ]
    counts = daily_counts(events_frame(spark, rows), DAY - timedelta(days=20), DAY)
    series = volume_series(counts, DAY)
    march = [date(2026, 3, n) for n in range(5, 11)]
    assert series[EVERYTHING] == dict(zip(march, [2, 0, 0, 1, 0, 0], strict=True))
    assert series["event_type=purchase"] == {date(2026, 3, 8): 1, date(2026, 3, 9): 0, DAY: 0}
    assert series["channel=mobile"][march[0]] == 1
    assert any(subject.startswith("source=") for subject in series)
