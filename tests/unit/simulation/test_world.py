"""Laws of the simulated people and items: the same by seed, and as they are configured."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from sparkperso.config.experiments.simulation import ConsentShares, SimulationConfig
from sparkperso.core.errors import UsageError
from sparkperso.simulation.calendar import visits_of_day
from sparkperso.simulation.world import make_world

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
CONFIG = SimulationConfig()


def test_a_seed_makes_one_shop_and_another_seed_another():
    one, same, other = (make_world(CONFIG, 50, 20, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.scores, same.scores)
    assert one.people.answers == same.people.answers
    assert not np.array_equal(one.scores, other.scores)


def test_more_people_change_no_item():
    few, many = (make_world(CONFIG, n, 20, 1).catalogue for n in (10, 500))
    assert np.array_equal(few.vectors, many.vectors)
    assert np.array_equal(few.prices, many.prices)


def test_affinities_have_the_spread_that_strengths_are_given_for():
    world = make_world(CONFIG, 3000, 400, 1)
    affinity = world.people.vectors @ world.catalogue.vectors.T
    assert affinity.std() == pytest.approx(1, abs=0.15)
    assert affinity.mean() == pytest.approx(0, abs=0.05)


def test_without_tastes_everybody_is_average():
    plain = SimulationConfig.model_validate({"tastes": {"affinity": 0, "popularity": 0}})
    world = make_world(plain, 10, 20, 1)
    assert np.allclose(world.click_chances, CONFIG.probabilities.click)
    assert np.allclose(world.interest[:, -1], 1)


def test_answers_to_the_banner_have_their_shares():
    answers = make_world(CONFIG, 20_000, 2, 1).people.answers
    for name, share in (("all", 0.75), ("analytics", 0.1), ("nothing", 0.1), ("none", 0.05)):
        assert answers.count(name) / len(answers) == pytest.approx(share, abs=0.01)


def test_shares_of_answers_are_at_most_everybody():
    with pytest.raises(ValueError, match="add up to 1"):
        ConsentShares(all=0.9, nothing=0.2)


def test_people_come_as_often_as_configured_and_each_visit_ends_on_its_day():
    world = make_world(CONFIG, 5000, 2, 1)
    days = [visits_of_day(world, day, START) for day in range(4)]
    assert sum(map(len, days)) / 4 / 5000 == pytest.approx(CONFIG.visits_per_day, rel=0.05)
    for day, visits in enumerate(days):
        begins = START + timedelta(days=day)
        assert visits == sorted(visits, key=lambda one: one.at)
        assert all(begins <= one.at < begins + timedelta(hours=23.5) for one in visits)
        assert len({one.name for one in visits}) == len(visits)


def test_a_day_is_the_same_whatever_was_before_it():
    world = make_world(CONFIG, 100, 2, 1)
    later = visits_of_day(world, 3, START)
    assert later == visits_of_day(world, 3, START)
    assert [one.person for one in later] != [one.person for one in visits_of_day(world, 2, START)]


def test_a_browser_is_one_persons_and_one_devices():
    world = make_world(CONFIG, 300, 2, 1)
    visits = [one for day in range(20) for one in visits_of_day(world, day, START)]
    owners = {}
    for one in visits:
        assert owners.setdefault(one.browser, (one.person, one.device)) == (one.person, one.device)
        assert one.device in world.people.devices[one.person]
    assert len(owners) > len({one.person for one in visits})


def test_an_empty_shop_is_refused():
    with pytest.raises(UsageError, match="people, and two items"):
        make_world(CONFIG, 0, 20, 1)
