"""What is true of a shop, and that the statistics of experiments find it."""

from datetime import datetime, timezone

import numpy as np
import pytest

from sparkperso.config.experiments.simulation import SimulationConfig
from sparkperso.simulation.behaviour import expected_clicks
from sparkperso.simulation.direct import DirectShop
from sparkperso.simulation.files import shipped_experiments
from sparkperso.simulation.study import direct_study
from sparkperso.simulation.truth import (
    CHECKOUT_TEST,
    HERO_TEST,
    LISTS_TEST,
    best_click_through,
    lists_lift,
    truth_of,
)
from sparkperso.simulation.world import make_world

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
EXPERIMENTS = list(shipped_experiments(START).values())
NO_EFFECT = {"effects": {"hero": 0, "checkout": 0}}
RUNS = 20


@pytest.fixture(scope="module")
def shops():
    """Small shops with effects and without, each with what its study found."""
    found = {}
    for name, values in (("effect", {"effects": {"hero": 0.5}}), ("none", NO_EFFECT)):
        config = SimulationConfig.model_validate(values)
        worlds = [make_world(config, 300, 30, seed) for seed in range(RUNS)]
        found[name] = [(world, direct_study(world, EXPERIMENTS, 14, START)) for world in worlds]
    return found


def test_intervals_hold_the_true_lift(shops):
    # Of 20 intervals at 95 % fewer than 16 hold it once in 3,000 times; seeds are fixed.
    for name, lift in (("effect", 0.5), ("none", 0.0)):
        estimates = [study.estimate(HERO_TEST.experiment) for _, study in shops[name]]
        held = sum(one.lift_low <= lift <= one.lift_high for one in estimates)
        assert held >= 16


def test_without_effect_nothing_is_found(shops):
    found = [
        study.estimate(test.experiment).p_value < 0.05
        for _, study in shops["none"]
        for test in (HERO_TEST, CHECKOUT_TEST)
    ]
    assert sum(found) <= 6  # of 40; more happen once in 1,000 times


def test_an_effect_is_found_and_its_size_on_the_average(shops):
    estimates = [study.estimate(HERO_TEST.experiment) for _, study in shops["effect"]]
    assert np.mean([one.lift for one in estimates]) == pytest.approx(0.5, abs=0.15)
    assert np.mean([one.p_value < 0.05 for one in estimates]) > 0.5


def test_lists_lift_is_that_of_tastes(shops):
    world, study = shops["effect"][0]
    shop = DirectShop(world, EXPERIMENTS)
    people = study.tally.people[LISTS_TEST.experiment]
    popular = [shop.popular] * len(world.people.ids)
    lift = lists_lift(world, people, shop.personal, popular)
    assert lift > 0.1
    assert lists_lift(world, people, popular, popular) == 0
    assert lists_lift(world, {}, shop.personal, popular) is None
    truth = truth_of(world, study.tally, lift)["experiments"][LISTS_TEST.experiment]
    assert (truth["lift"], truth["source"]) == (lift, "tastes")
    shown = truth_of(world, study.tally)["experiments"][LISTS_TEST.experiment]
    assert shown["source"] == "shown"
    assert shown["lift"] == pytest.approx(lift, abs=0.25)


def test_nothing_is_better_than_the_best_lists():
    world = make_world(SimulationConfig(), 200, 40, 1)
    rates = []
    for knowledge in (0.0, 0.7, 1.0):
        lists = DirectShop(world, [], knowledge=knowledge).personal
        clicks = [expected_clicks(world, person, lists[person]) for person in range(200)]
        rates.append(np.average(clicks, weights=world.people.visits))
    assert rates[0] < rates[1] < rates[2] == pytest.approx(best_click_through(world))


def test_who_did_not_agree_is_in_no_experiment(shops):
    world, study = shops["effect"][0]
    agreed = {
        name
        for name, answer in zip(world.people.ids, world.people.answers, strict=True)
        if answer == "all"
    }
    for units in study.units.values():
        assert units.keys() <= agreed


def test_truth_says_what_was_given_and_what_was_seen(shops):
    world, study = shops["effect"][0]
    truth = truth_of(world, study.tally)
    hero = truth["experiments"][HERO_TEST.experiment]
    assert (hero["lift"], hero["source"]) == (0.5, "given")
    assert hero["variants"]["greeting"]["exposures"] > 0
    assert truth["visits"] == study.tally.visits
    assert truth["events"]["page_view"] >= truth["visits"]
