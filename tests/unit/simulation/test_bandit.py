"""A bandit in a simulated shop misses less than equal shares, by segment where segments differ."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest

from sparkperso.config.experiments.simulation import SimulationConfig
from sparkperso.experiments.assignment.shares import EVERYBODY
from sparkperso.simulation.bandit import bandit_study, hero_bandit
from sparkperso.simulation.behaviour import OFFERS, hero_chance
from sparkperso.simulation.truth import hero_lift
from sparkperso.simulation.world import make_world

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
DIFFER = {"hero": -0.5, "hero_countries": {"GB": 0.5}}
SEEDS = range(3)


def run(seed, effects, *, by_country=False, floor=0.05, days=14):
    values = {"effects": effects, "countries": {"GB": 1, "DE": 1}}
    world = make_world(SimulationConfig.model_validate(values), 500, 10, seed)
    return bandit_study(world, hero_bandit(START, by_country=by_country, floor=floor), days, START)


def test_what_is_missed_grows_less_than_with_equal_shares():
    runs = [run(seed, {"hero": 0.5}) for seed in SEEDS]
    for one in runs:
        assert (np.diff(one.regret) >= 0).all()
        assert one.regret[-1] < one.uniform[-1]
        assert one.shares[EVERYBODY]["offers"] > 0.8
    saved = 1 - sum(one.regret[-1] for one in runs) / sum(one.uniform[-1] for one in runs)
    assert saved > 0.5


def test_without_an_effect_nothing_can_be_missed():
    one = run(1, {"hero": 0.0}, days=3)
    assert one.regret.tolist() == one.uniform.tolist() == [0.0] * 3


def test_where_segments_differ_shares_of_their_own_miss_less():
    pooled = [run(seed, DIFFER) for seed in SEEDS[:2]]
    own = [run(seed, DIFFER, by_country=True) for seed in SEEDS[:2]]
    for one, other in zip(pooled, own, strict=True):
        # The same people come, whatever they are shown.
        assert one.uniform.tolist() == other.uniform.tolist()
        assert other.regret[-1] < one.regret[-1]
        assert other.shares["GB"]["offers"] > 0.7
        assert other.shares["DE"]["offers"] < 0.3


def test_the_first_day_has_equal_shares_and_a_floor_is_kept():
    one = run(2, {"hero": 0.5}, floor=0.3)
    assert one.regret[0] == pytest.approx(one.uniform[0], rel=0.35)
    assert min(one.shares[EVERYBODY].values()) == pytest.approx(0.3, abs=1e-3)


def test_the_lift_of_all_is_that_of_countries_by_visits_and_chances():
    config = SimulationConfig.model_validate({"effects": DIFFER})
    world = make_world(config, 400, 10, 1)
    visits = world.people.visits
    persons = range(len(world.people.ids))
    rates = [
        sum(visits[person] * hero_chance(world, person, content) for person in persons)
        for content in (OFFERS, "welcome")
    ]
    assert hero_lift(world) == pytest.approx(rates[0] / rates[1] - 1)
