"""A funnel against one worked out person by person; and the page around it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from tests.dashboards import bearer, lake_of, view_of
from tests.small_lake import HOSTILE, event, write_table

from sparkperso.services.dashboard.page import FEW, Query
from sparkperso.services.dashboard.pages import funnel as funnel_page
from sparkperso.services.dashboard.queries.events import events_by_type, window_of
from sparkperso.services.dashboard.queries.funnel import UNITS, funnel

STEPS = ["item_view", "add_to_cart", "purchase"]
MIDNIGHT = datetime(2026, 3, 10, tzinfo=timezone.utc)


def random_rows(chance):
    rows = []
    for number in range(300):
        user = chance.choice(["ann", "ben", None, "cem", "dee", HOSTILE])
        moment = MIDNIGHT + timedelta(minutes=chance.randrange(3000))
        rows.append(
            {
                **event(number, user, chance.choice([*STEPS, "page_view"]), 1),
                "timestamp": moment,
                "event_date": moment.date(),
                "anonymous_id": chance.choice(["x", "y", None]),
                "session_id": chance.choice([f"s{n}" for n in range(40)]),
                "channel": chance.choice(["web", "mobile"]),
            }
        )
    return rows


def unit_of(row, unit):
    if unit == "visitors":
        return row["user_id"] or row["anonymous_id"]
    return row["user_id" if unit == "users" else "session_id"]


def expected(rows, unit, steps):
    """The same by its words: each step by the first event that is not before the step above."""
    by_unit = {}
    for row in sorted(rows, key=lambda row: row["timestamp"]):
        if (name := unit_of(row, unit)) is not None:
            by_unit.setdefault(name, []).append(row)
    counts = [0] * len(steps)
    for own in by_unit.values():
        before, last = datetime.min.replace(tzinfo=timezone.utc), None
        for place, step in enumerate(steps):
            later = [
                r["timestamp"]
                for r in own
                if r["event_type"] == step
                and (r["timestamp"] > before if step == last else r["timestamp"] >= before)
            ]
            if not later:
                break
            before, last = min(later), step
            counts[place] += 1
    return counts


@pytest.mark.parametrize("seed", range(4))
def test_a_funnel_is_what_its_words_say(tmp_path, seed):
    chance = random.Random(seed)
    rows = random_rows(chance)
    write_table(tmp_path, "silver/events", rows)
    lake = lake_of(tmp_path)
    window = window_of(lake, 400, 10**6)
    for unit in UNITS:
        steps = [chance.choice(STEPS) for _ in range(chance.randint(1, 5))]
        found = [one.units for one in funnel(lake, window, unit, steps)]
        assert found == expected(rows, unit, steps), (unit, steps)
        web = [row for row in rows if row["channel"] == "web"]
        found = [one.units for one in funnel(lake, window, unit, steps, "channel = 'web'")]
        assert found == expected(web, unit, steps)


def test_people_and_sessions_by_type_are_counted_once_each(tmp_path):
    rows = random_rows(random.Random(9))
    write_table(tmp_path, "silver/events", rows)
    lake = lake_of(tmp_path)
    for found in events_by_type(lake, window_of(lake, 400, 10**6)):
        own = [row for row in rows if row["event_type"] == found["event_type"]]
        assert found["n"] == len(own)
        for unit in UNITS:
            different = {unit_of(row, unit) for row in own} - {None}
            assert found[unit] == len(different)


def test_a_funnel_only_falls(lake):
    counts = funnel(lake, window_of(lake, 28, 10**6), "users", [*STEPS, "purchase"])
    assert counts == [(22, 22), (12, 12), (10, 10), (0, 0)]


def test_what_nobody_did_is_zero(lake):
    window = window_of(lake, 28, 10**6)
    assert funnel(lake, window, "users", ["nothing", "purchase"]) == [(0, 0), (0, 0)]


def table(page, name):
    return [list(row) for row in page.tables[name].rows]


def test_the_page_counts_the_steps_that_are_asked_for(view):
    query = Query({"unit": "users", "step1": "add_to_cart", "step2": "purchase"})
    rows = table(funnel_page.page(view, query), "steps")
    assert rows[0] == [1, "add_to_cart", 14, 1.0, 1.0]
    assert rows[1] == [2, "purchase", 10, 10 / 14, 10 / 14]


def test_without_any_it_has_the_steps_of_the_configuration_that_anybody_did(view, lake):
    assert [row[1] for row in table(funnel_page.page(view, Query()), "steps")] == STEPS
    other = view_of(lake, "dashboard.funnel_steps=[search, purchase]")
    assert [row[1] for row in table(funnel_page.page(other, Query()), "steps")] == ["purchase"]
    nothing = view_of(lake, "dashboard.funnel_steps=[search]")
    assert [row[1] for row in table(funnel_page.page(nothing, Query()), "steps")] == [
        *("item_view", "add_to_cart", "purchase")
    ]


def test_sessions_of_few_people_are_few_people(tmp_path):
    """Thirty sessions of three people, of which one alone bought, in all of theirs."""
    rows = []
    for number in range(30):
        own = {"session_id": f"s{number}", "minute": number}
        rows.append(event(len(rows), f"u{number % 3}", "item_view", 28, **own))
        if number % 3 == 0:
            rows.append(event(len(rows), "u0", "purchase", 28, **own))
    rows += [event(len(rows) + n, f"v{n}", "item_view", 29, session_id=f"t{n}") for n in range(9)]
    write_table(tmp_path, "silver/events", rows)
    lake = lake_of(tmp_path)
    window = window_of(lake, 28, 10**6)
    assert funnel(lake, window, "sessions", ["item_view", "purchase"]) == [(39, 12), (10, 1)]
    page = funnel_page.page(
        view_of(lake), Query({"unit": "sessions", "step1": "item_view", "step2": "purchase"})
    )
    assert [row[2] for row in table(page, "steps")] == [39, FEW]
    assert table(page, "types") == [
        ["item_view", 39, 12, 12, 39],
        ["purchase", FEW, FEW, FEW, FEW],
    ]


def test_few_people_are_not_told_of(view, lake):
    rows = table(funnel_page.page(view, Query({"channel": "mobile", "unit": "users"})), "steps")
    assert [row[2] for row in rows] == [FEW, 0, 0]
    rows = table(funnel_page.page(view, Query({"channel": "mobile"})), "types")
    assert rows
    assert all(row[1:] == [FEW, FEW, FEW, FEW] for row in rows)
    everybody = view_of(lake, "dashboard.min_group_size=1")
    rows = table(funnel_page.page(everybody, Query({"channel": "mobile"})), "steps")
    assert [row[2] for row in rows] == [2, 0, 0]


def test_a_longer_window_than_may_be_counted_is_cut_and_says_so(lake):
    view = view_of(lake, "dashboard.max_events=30")
    page = funnel_page.page(view, Query({"days": "28"}))
    assert page.sections[0].notes
    assert "from 2026-03-29" in page.sections[0].text


class Tags(HTMLParser):
    """What a page's form asks."""

    def __init__(self):
        super().__init__()
        self.labels, self.fields = [], []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == "label":
            self.labels.append(named["for"])
        if tag in ("select", "input") and named.get("type") != "hidden":
            self.fields.append(named["id"])


def test_every_field_has_its_label(client):
    tags = Tags()
    tags.feed(client.get("/funnel", headers=bearer("viewer")).text)
    assert tags.fields
    assert tags.labels == tags.fields


@pytest.mark.parametrize("step", [HOSTILE, "' OR 1=1 --", "item_view' --", ""])
def test_a_step_that_there_is_not_is_none(view, step):
    rows = table(funnel_page.page(view, Query({"step1": step})), "steps")
    assert [row[1] for row in rows] == STEPS
