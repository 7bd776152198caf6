"""monitor tells KPIs by day: bit by bit the same as at once, in whatever order events come."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from tests.kpis import AS_OF, START, shop_decisions, shop_events, shop_history

from sparkperso.jobs.monitor import STEP
from sparkperso.jobs.monitor.kpis import BOOKMARKS, DECISIONS, EVENTS, HISTORY, KPIS
from sparkperso.pipeline.step import carry_out
from sparkperso.schemas import TABLES
from sparkperso.testing.frames import events_frame, table_frame

pytestmark = pytest.mark.usefixtures("unrecorded")
SET = [
    "monitoring.kpis.metrics=[click_through, revenue_per_user, bounce_rate, retention_day_1]",
    "monitoring.kpis.segmentations=[people]",
]


class Shop:
    """A lake that is written bit by bit."""

    def __init__(self, spark, make_job):
        self.spark, self.make_job = spark, make_job

    def add(self, table, rows):
        writer = self.make_job("test").writer(table)
        is_events = table == EVENTS
        make = events_frame if is_events else lambda s, r: table_frame(s, table, r)
        writer.append(make(self.spark, rows))

    def monitor(self, as_of=None, set=SET, **options):  # noqa: A002
        job = self.make_job("monitor", set=set, as_of=as_of, **options)
        return carry_out(STEP, job).summary

    def kpis(self):
        rows = self.make_job("test").lake.ref(KPIS).read().collect()
        names = TABLES[KPIS].key
        return {tuple(row[n] for n in names): (row["numerator"], row["value"]) for row in rows}

    def afresh(self, as_of=None, set=SET):  # noqa: A002
        """Returns the KPIs as they are without any memory."""
        self.make_job("test").lake.ref(BOOKMARKS).delta().delete()
        self.monitor(as_of, set)
        return self.kpis()


@pytest.fixture
def shop(spark, make_job):
    return Shop(spark, make_job)


@pytest.mark.parametrize("seed", [1, 2])
def test_bit_by_bit_is_at_once_in_whatever_order_things_come(shop, seed):
    rng = random.Random(seed)
    parts = [(EVENTS, part) for part in _parts(shop_events(users=12), 3, rng)]
    parts += [(DECISIONS, part) for part in _parts(shop_decisions(), 2, rng)]
    parts += [(HISTORY, part) for part in _parts(shop_history(), 2, rng)]
    rng.shuffle(parts)
    first = next(place for place, (table, _) in enumerate(parts) if table == EVENTS)
    parts.insert(0, parts.pop(first))
    for place, (table, rows) in enumerate(parts):
        shop.add(table, rows)
        if place % 3 == 1:
            shop.monitor()
    shop.monitor()
    step_by_step = shop.kpis()
    assert any(key[TABLES[KPIS].key.index("segment")] for key in step_by_step)
    assert any(key[TABLES[KPIS].key.index("strategy")] for key in step_by_step)
    assert step_by_step == shop.afresh()


def test_only_days_that_something_came_of_are_told_anew(shop):
    events = [e for e in shop_events() if e["timestamp"] <= AS_OF]
    late = [e for e in events if e["timestamp"].date() == (START + timedelta(days=4)).date()][:3]
    shop.add(EVENTS, [e for e in events if e not in late])
    assert shop.monitor(AS_OF)["days"] == 12
    told = shop.kpis()
    # The last day may go on; a return on it is told of the day before, its end of the one before.
    assert shop.monitor(AS_OF)["days"] == 3
    assert shop.kpis() == told
    shop.add(EVENTS, late)
    # The late ones' day, and the days whose users they bring back.
    assert shop.monitor(AS_OF)["days"] == 3 + 2
    now = shop.kpis()
    changed = {key[0] for key in {*now, *told} if now.get(key) != told.get(key)}
    assert changed <= {(START + timedelta(days=n)).date() for n in (3, 4)}
    assert now == shop.afresh(AS_OF)


def test_other_metrics_and_an_earlier_as_of_begin_anew(shop):
    shop.add(EVENTS, [e for e in shop_events() if e["timestamp"] <= AS_OF])
    shop.monitor()
    early = AS_OF - timedelta(days=5)
    shop.monitor(early)
    assert max(key[0] for key in shop.kpis()) == early.date()
    shop.monitor(early, set=["monitoring.kpis.metrics=[conversion]"])
    assert {key[1] for key in shop.kpis()} == {"conversion"}
    assert max(key[0] for key in shop.kpis()) == early.date()


def test_where_no_feed_says_what_came_all_days_are_told_anew(shop):
    events = [e for e in shop_events() if e["timestamp"] <= AS_OF]
    shop.add(EVENTS, events[:200])
    lake = shop.make_job("test").lake
    feed = "delta.enableChangeDataFeed"
    place = lake.ref(EVENTS).place
    shop.spark.sql(f"ALTER TABLE delta.`{place}` SET TBLPROPERTIES ({feed} = false)")
    shop.monitor(AS_OF)
    shop.add(EVENTS, events[200:])
    assert shop.monitor(AS_OF)["days"] == 12
    assert shop.kpis() == shop.afresh(AS_OF)


def test_without_metrics_there_is_nothing_to_tell(shop):
    shop.add(EVENTS, shop_events()[:5])
    assert shop.monitor(set=["monitoring.kpis.metrics=[]"])["days"] == 0


def _parts(rows, n, rng):
    mixed = rng.sample(rows, len(rows))
    return [mixed[place::n] for place in range(n)]
