"""Whether experiments find the truth of simulated shops, and how fast a shop lives.

    python benchmarks/bench_simulate.py [--runs 200] [--users 500] [--items 40] [--days 14]
    python benchmarks/bench_simulate.py --services [--users 2000] [--items 200] [--days 14]

Without --services: so many shops with effects and as many without, each with other people, other
tastes and other draws, within one process; what is counted is what the metrics of the shop count,
and the interval is the delta method's of the suite. Of each test: how often the interval at 95 %
holds the true lift, how often something is found at 5 %, and the mean of what is found against the
truth. Margins are two standard errors of a share that is as it should be.

With --services: one shop through a real collector and a real API in processes of their own. Batch
jobs are left out: lists are made from tastes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from sparkperso.config import load_settings
from sparkperso.config.experiments.simulation import SimulationConfig
from sparkperso.services.stores.factory import open_store
from sparkperso.simulation.direct import DirectShop
from sparkperso.simulation.files import shipped_experiments, write_conf
from sparkperso.simulation.loop import Addresses, Plan, own_services, simulate
from sparkperso.simulation.study import run_study
from sparkperso.simulation.truth import CHECKOUT_TEST, HERO_TEST, LISTS_TEST, lists_lift, truth_of
from sparkperso.simulation.world import make_world
from sparkperso.testing.serving import release, stored_list

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
LEVEL = 0.05
NO_EFFECT = {"effects": {"hero": 0, "checkout": 0}}


def true_lifts(world, shop, study, with_lists):
    effects = world.config.effects
    known = {HERO_TEST: effects.hero, CHECKOUT_TEST: effects.checkout}
    if with_lists:
        people = study.tally.people[LISTS_TEST.experiment]
        popular = [shop.popular] * len(world.people.ids)
        known[LISTS_TEST] = lists_lift(world, people, shop.personal, popular)
    return known


def studies(arguments, values, with_lists, first_seed):
    config = SimulationConfig.model_validate(values)
    experiments = [
        one
        for name, one in shipped_experiments(START).items()
        if with_lists or name != LISTS_TEST.experiment
    ]
    rows = {}
    for seed in range(first_seed, first_seed + arguments.runs):
        world = make_world(config, arguments.users, arguments.items, seed)
        shop = DirectShop(world, experiments)
        study = run_study(world, shop, arguments.days, START)
        for test, lift in true_lifts(world, shop, study, with_lists).items():
            rows.setdefault(test, []).append((lift, study.estimate(test.experiment, LEVEL)))
    return rows


def summary(rows):
    n = len(rows)
    return {
        "runs": n,
        "true_lift": round(float(np.mean([lift for lift, _ in rows])), 4),
        "mean_lift": round(float(np.mean([one.lift for _, one in rows])), 4),
        "standard_error": round(float(np.std([o.lift - t for t, o in rows]) / math.sqrt(n)), 4),
        "covered": sum(one.lift_low <= lift <= one.lift_high for lift, one in rows) / n,
        "found": sum(one.p_value < LEVEL for _, one in rows) / n,
    }


def run_fast(arguments):
    started = time.perf_counter()
    cases = {"with_effect": ({}, True, 1_000_000), "without_effect": (NO_EFFECT, False, 2_000_000)}
    results = {}
    for case, (values, with_lists, seed) in cases.items():
        rows = studies(arguments, values, with_lists, seed)
        results[case] = {test.experiment: summary(each) for test, each in rows.items()}
        for test, found in results[case].items():
            print(f"{case} {test}: {found}", flush=True)
    margin = 2 * math.sqrt(LEVEL * (1 - LEVEL) / arguments.runs)
    print(f"two standard errors of a share of 5 %: ±{margin:.3f}")
    seconds = time.perf_counter() - started
    return {"margin": margin, "seconds": round(seconds, 1), **results}


class StandInJobs:
    """Publishes lists by tastes: no Spark."""

    def __init__(self, world, store):
        self.world, self.store = world, store

    def refresh(self):
        """Publishes the lists."""
        ids, n = self.world.catalogue.ids, self.world.config.list_length * 2

        def best(scores):
            return stored_list([ids[place] for place in (-scores).argsort()[:n]])

        lists = dict(zip(self.world.people.ids, map(best, self.world.scores), strict=True))
        popular = {"global": best(self.world.catalogue.popularity)}
        release(self.store, {"lists.new": lists, "popular": popular})

    def analyse(self):
        """Does nothing."""


def run_services(arguments):
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        conf = lake / "_simulation" / "conf"
        today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        first_day = today - timedelta(days=arguments.days)
        write_conf(conf, first_day)
        settings = load_settings("local", conf, [], str(lake))
        world = make_world(settings.simulation, arguments.users, arguments.items, 1)
        options = ["--lake", str(lake), "--conf-dir", str(conf)]
        plan = Plan(world, first_day, arguments.days, lake, options, conf.parent)
        jobs = StandInJobs(world, open_store(settings))
        with own_services(plan) as (collector, api):
            at = Addresses(collector, api, "local-server-key", "local-dev-token")
            report = simulate(plan, at, jobs, print)
        truth = truth_of(world, report.tally)
    requests = sum(report.requests.values())
    return {
        "visits": report.tally.visits,
        "history_visits": report.history_visits,
        "accepted": report.accepted,
        "refused": report.refused,
        "requests": requests,
        "fallbacks": report.fallbacks,
        "visit_seconds": round(report.visit_seconds, 1),
        "lists_lift": truth["experiments"][LISTS_TEST.experiment]["lift"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--services", action="store_true")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--users", type=int)
    parser.add_argument("--items", type=int)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    arguments.users = arguments.users or (2000 if arguments.services else 500)
    arguments.items = arguments.items or (200 if arguments.services else 40)
    found = run_services(arguments) if arguments.services else run_fast(arguments)
    shape = {name: getattr(arguments, name) for name in ("users", "items", "days")}
    machine = {"python": platform.python_version(), "load_at_the_end": round(os.getloadavg()[0], 1)}
    result = {"shape": shape, "machine": machine, **found}
    print(json.dumps(result, indent=2))
    if arguments.out:
        merged = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        merged["services" if arguments.services else "truth"] = result
        arguments.out.write_text(json.dumps(merged, indent=2) + "\n")


if __name__ == "__main__":
    main()
