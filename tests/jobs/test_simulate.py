"""analyze-experiments on a simulated shop: it counts what the shop did, and finds what is true."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.config.experiments.simulation import SimulationConfig
from sparkperso.jobs.analyze_experiments.job import STEP
from sparkperso.pipeline.step import carry_out
from sparkperso.simulation.behaviour import visit_shop
from sparkperso.simulation.calendar import visits_of_day
from sparkperso.simulation.direct import DirectShop
from sparkperso.simulation.files import end_experiments, write_conf
from sparkperso.simulation.study import TESTS, Study
from sparkperso.simulation.truth import lists_lift
from sparkperso.simulation.world import make_world
from sparkperso.testing.frames import events_frame

START, DAYS = datetime(2026, 3, 2, tzinfo=timezone.utc), 7
AS_OF = datetime(2026, 3, 2) + timedelta(days=DAYS)
KINDS = ("exposure", "click", "purchase")
"""What the shop's own metrics count."""


@pytest.fixture
def analysed(spark, make_job, lake, tmp_path):
    """A shop's study, its true lifts, and the rows of gold/experiment_results."""
    conf = tmp_path / "conf"
    experiments = write_conf(conf, START)
    world = make_world(SimulationConfig(), 500, 30, 3)
    shop, study, rows = DirectShop(world, list(experiments.values())), Study(), []
    for day in range(DAYS):
        for visit in visits_of_day(world, day, START):
            outcome = visit_shop(world, visit, shop)
            study.tally.add(outcome)
            for event in outcome.events:
                study.add_event(event)
                if event["event_type"] in KINDS:
                    rows.append({**event, "timestamp": event["timestamp"].replace(tzinfo=None)})
    end_experiments(conf, AS_OF.replace(tzinfo=timezone.utc))
    lake.writer("silver/events").overwrite(events_frame(spark, rows))
    job = make_job("analyze-experiments", as_of=AS_OF, set=("experiments.metrics=[]",))
    job.conf_dir = conf
    carry_out(STEP, job)
    rows = lake.ref("gold/experiment_results").read().orderBy("as_of").collect()
    results = {  # the latest of each: those of its days come before
        row["experiment"]: row.asDict()
        for row in rows
        if row["role"] == "goal" and row["method"] == "plain" and row["segmentation"] is None
    }
    popular = [shop.popular] * len(world.people.ids)
    effects = world.config.effects
    lists = lists_lift(world, study.tally.people["personal-lists"], shop.personal, popular)
    truth = {
        "hero-offers": effects.hero,
        "short-checkout": effects.checkout,
        "personal-lists": lists,
    }
    return study, truth, results


def test_sums_are_those_of_the_shop_and_intervals_hold_the_truth(analysed):
    study, truth, results = analysed
    assert results.keys() == truth.keys()
    for name, found in results.items():
        own = study.estimate(name)
        assert (found["metric"], found["variant"]) == (TESTS[name].metric, TESTS[name].treated)
        assert (found["n"], found["n_baseline"]) == (own.n, own.n_baseline)
        for field in ("value", "value_baseline", "lift", "lift_low", "lift_high", "p_value"):
            assert found[field] == pytest.approx(getattr(own, field), rel=1e-8), (name, field)
        assert found["lift_low"] <= truth[name] <= found["lift_high"], name
