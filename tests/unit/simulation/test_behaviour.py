"""Laws of what people do: as often as their tastes say, times the effect of what is shown."""

from collections import Counter
from datetime import datetime, timezone

import numpy as np
import pytest

from sparkperso.config.experiments.simulation import SimulationConfig
from sparkperso.core.event import EVENT_FIELDS
from sparkperso.simulation.behaviour import (
    CHECKOUT,
    HERO,
    LIST,
    OFFERS,
    SHORT,
    BareShop,
    Shown,
    expected_clicks,
    hero_chance,
    order_chance,
    visit_shop,
)
from sparkperso.simulation.calendar import visits_of_day
from sparkperso.simulation.world import make_world

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
WORLD = make_world(SimulationConfig(), 400, 30, 1)
VISITS = [one for day in range(14) for one in visits_of_day(WORLD, day, START)]
IDS = WORLD.catalogue.ids


class Front:
    """Shows everybody the same."""

    def __init__(self, content="greeting", items=IDS[:8], flag="usual", experiments=None):
        counted = experiments or {}
        self.shown = {
            HERO: Shown("d1", content, (), counted),
            LIST: Shown("d2", "picks", tuple(items), counted),
        }
        self.flag = Shown("d3", flag, (), counted)

    def page(self, visit):
        return self.shown

    def checkout(self, visit):
        return self.flag


def events_of(front, world=WORLD, visits=VISITS):
    return [visit_shop(world, visit, front).events for visit in visits]


def clicks(events, slot):
    return {
        (event["session_id"], event.get("item_id"))
        for each in events
        for event in each
        if event["event_type"] == "click" and event["metadata"]["slot"] == slot
    }


def orders(events):
    lines = [event for each in events for event in each if event["event_type"] == "purchase"]
    return {event["metadata"]["order_id"] for event in lines}


def within(count, expected, variance):
    """Says whether a count is within four standard deviations."""
    return abs(count - expected) < 4 * np.sqrt(variance)


def test_the_hero_is_clicked_as_often_as_tastes_and_effect_say():
    for content in ("greeting", OFFERS):
        chances = np.array([hero_chance(WORLD, one.person, content) for one in VISITS])
        found = clicks(events_of(Front(content)), HERO)
        assert within(len(found), chances.sum(), (chances * (1 - chances)).sum())


def test_a_list_is_clicked_as_often_as_tastes_say():
    expected = sum(expected_clicks(WORLD, one.person, IDS[:8]) for one in VISITS)
    assert within(len(clicks(events_of(Front()), LIST)), expected, expected)


def test_checkouts_become_orders_as_often_as_the_flag_says():
    for flag in ("usual", SHORT):
        events = events_of(Front(flag=flag))
        seen = sum(
            event["event_type"] == "exposure" and event["metadata"]["slot"] == CHECKOUT
            for each in events
            for event in each
        )
        chance = order_chance(WORLD, flag)
        assert within(len(orders(events)), seen * chance, seen * chance * (1 - chance))


def test_an_effect_is_a_lift_of_the_probability_and_of_nothing_else():
    effects = WORLD.config.effects
    for person in range(20):
        lift = hero_chance(WORLD, person, OFFERS) / hero_chance(WORLD, person, "greeting") - 1
        assert lift == pytest.approx(effects.hero)
    assert order_chance(WORLD, SHORT) / order_chance(WORLD, "usual") - 1 == pytest.approx(
        effects.checkout
    )
    plain, offered = events_of(Front()), events_of(Front(OFFERS))
    assert clicks(plain, HERO) < clicks(offered, HERO)
    assert clicks(plain, LIST) == clicks(offered, LIST)
    assert orders(plain) == orders(offered)


def test_without_effect_variants_are_alike_event_by_event():
    config = SimulationConfig.model_validate({"effects": {"hero": 0, "checkout": 0}})
    world = make_world(config, 100, 30, 1)
    visits = visits_of_day(world, 0, START)

    def kinds(front):
        return [
            [(event["event_type"], event.get("item_id")) for event in each]
            for each in events_of(front, world, visits)
        ]

    assert kinds(Front()) == kinds(Front(OFFERS, flag=SHORT))


def test_no_effect_makes_a_probability_more_than_one():
    config = SimulationConfig.model_validate(
        {"effects": {"hero": 1, "checkout": 1}, "probabilities": {"hero": 0.9, "order": 0.9}}
    )
    world = make_world(config, 200, 2, 1)
    assert max(hero_chance(world, person, OFFERS) for person in range(200)) == 1
    assert order_chance(world, SHORT) == 1


def test_who_is_shown_an_item_higher_up_clicks_it_more_often():
    top = expected_clicks(WORLD, 0, IDS[:5])
    assert expected_clicks(WORLD, 0, ("unknown", *IDS[:5])) < top
    assert expected_clicks(WORLD, 0, ("unknown",)) == 0


def test_a_click_on_an_item_does_not_hang_on_its_neighbours():
    def of_first(items):
        return {each for each in clicks(events_of(Front(items=items)), LIST) if each[1] == IDS[0]}

    assert of_first(IDS[:8]) == of_first((IDS[0], *IDS[10:17]))


def test_each_experiment_that_counts_a_place_has_an_exposure_of_its_own():
    counted = {"one": "a", "other": "b"}
    events = events_of(Front(experiments=counted))[0]
    seen = Counter(
        (event["metadata"]["slot"], event["metadata"]["experiment"], event["metadata"]["variant"])
        for event in events
        if event["event_type"] == "exposure"
    )
    assert seen[HERO, "one", "a"] == seen[HERO, "other", "b"] == seen[LIST, "other", "b"] == 1
    outcome = visit_shop(WORLD, VISITS[0], Front(experiments=counted))
    assert {one.experiment for one in outcome.expected} == set(counted)


def test_a_place_without_experiment_is_exposed_once():
    events = events_of(Front())[0]
    seen = [event["metadata"] for event in events if event["event_type"] == "exposure"]
    assert {"slot": HERO, "decision_id": "d1", "content_id": "greeting"} in seen
    assert all("experiment" not in each for each in seen)


def test_events_are_whole_in_order_and_of_their_own_names():
    events = events_of(Front(experiments={"one": "a"}))
    names = [event["event_id"] for each in events for event in each]
    assert len(set(names)) == len(names)
    for each in events:
        times = [event["timestamp"] for event in each]
        assert times == sorted(times)
        assert (times[-1] - times[0]).total_seconds() < 1800
        assert each[0]["event_type"] == "page_view"
        for event in each:
            assert event.keys() <= set(EVENT_FIELDS)
            assert (event["event_type"] == "purchase") == ("value" in event)


def test_a_visit_is_the_same_again():
    assert events_of(Front(), visits=VISITS[:50]) == events_of(Front(), visits=VISITS[:50])


def test_a_shop_that_shows_nothing_sells_what_people_find():
    events = events_of(BareShop())
    kinds = Counter(event["event_type"] for each in events for event in each)
    assert kinds["click"] == kinds["exposure"] == 0
    assert kinds["purchase"] > 0
    viewed = Counter(
        event["item_id"] for each in events for event in each if event["event_type"] == "item_view"
    )
    best = np.argsort(-WORLD.catalogue.popularity)[:5]
    worst = np.argsort(WORLD.catalogue.popularity)[:5]
    assert sum(viewed[IDS[n]] for n in best) > sum(viewed[IDS[n]] for n in worst)
