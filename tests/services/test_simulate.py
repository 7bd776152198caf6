"""A simulated shop through a real collector and a real API, in processes of their own."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.config import load_settings
from sparkperso.core.errors import JobError
from sparkperso.experiments.assignment.assign import place_of
from sparkperso.services.stores.factory import open_store
from sparkperso.simulation.files import write_conf, write_items
from sparkperso.simulation.loop import Addresses, Plan, own_services, simulate
from sparkperso.simulation.study import Study
from sparkperso.simulation.truth import CHECKOUT_TEST, HERO_TEST, LISTS_TEST, truth_of
from sparkperso.simulation.world import make_world
from sparkperso.testing.serving import release, stored_list

pytestmark = pytest.mark.slow
USERS, ITEMS, DAYS, N_LIST = 120, 40, 4, 8
SET = ["simulation.history_days=2", "simulation.refresh_days=2", "simulation.visits_per_day=0.5"]


class StandInJobs:
    """Publishes what each person likes most, as no job could: the loop is what is looked at."""

    def __init__(self, world, store, lake):
        self.world, self.store, self.lake = world, store, lake
        self.found = []

    def refresh(self):
        self.found.append(len(spooled(self.lake)))
        self._publish()

    def _publish(self):
        ids = self.world.catalogue.ids

        def best(scores):
            return stored_list([ids[place] for place in (-scores).argsort()[:N_LIST]])

        lists = dict(zip(self.world.people.ids, map(best, self.world.scores), strict=True))
        popular = best(self.world.catalogue.popularity)
        records = {
            "lists.new": dict.fromkeys(self.world.people.ids, popular),
            "candidate.new": lists,
            "popular": {"global": popular},
        }
        release(self.store, records, candidate_version="1")

    def analyse(self):
        self.found.append("analysed")
        return {LISTS_TEST.experiment: "ship"}

    def promote(self):
        self.found.append("promoted")
        self._publish()
        return True


def spooled(lake, folder=""):
    files = sorted((lake / "_spool" / folder / "ready").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


class Lived:
    """A simulation, and what it left behind."""

    def __init__(self, lake):
        folder = lake / "_simulation"
        self.lake, conf = lake, folder / "conf"
        midnight = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        first_day = midnight - timedelta(days=DAYS)
        self.experiments = write_conf(conf, first_day)
        settings = load_settings("local", conf, SET, str(lake))
        self.world = make_world(settings.simulation, USERS, ITEMS, 1)
        write_items(self.world, folder / "items.jsonl")
        options = ["--lake", str(lake), "--conf-dir", str(conf)]
        options += [word for one in SET for word in ("--set", one)]
        plan = Plan(self.world, first_day, DAYS, lake, options, folder)
        self.jobs = StandInJobs(self.world, open_store(settings), lake)
        self.said = []
        with own_services(plan) as (collector, api):
            at = Addresses(collector, api, "local-server-key", "local-dev-token")
            self.report = simulate(plan, at, self.jobs, self.said.append)
        self.events = spooled(lake)
        self.first_day = first_day


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    return Lived(tmp_path_factory.mktemp("one") / "lake")


def test_what_was_accepted_is_in_the_spool_once_and_nothing_else(lived):
    ids = [event["event_id"] for event in lived.events]
    assert len(ids) == len(set(ids)) == lived.report.accepted > 0
    made = lived.report.accepted + lived.report.refused
    assert made > sum(lived.report.tally.events.values())
    assert lived.report.refused > 0


def test_times_are_those_of_the_simulated_days(lived):
    times = {datetime.fromisoformat(e["timestamp"].replace("Z", "+00:00")) for e in lived.events}
    assert lived.first_day - timedelta(days=2) <= min(times)
    assert max(times) < lived.first_day + timedelta(days=DAYS)


def test_of_whoever_said_no_nothing_is_kept_but_that(lived):
    people = dict(zip(lived.world.people.ids, lived.world.people.answers, strict=True))
    kinds = {}
    for event in lived.events:
        kinds.setdefault(people[event["user_id"]], set()).add(event["event_type"])
    assert kinds["nothing"] == {"consent"}
    assert {"page_view", "purchase"} <= kinds["all"]


def test_batch_jobs_run_between_days_on_all_that_was_accepted(lived):
    *found, analysed, promoted = lived.jobs.found
    assert (analysed, promoted) == ("analysed", "promoted")
    assert lived.report.is_promoted
    assert len(found) == 3  # history, two days, the other two
    assert 0 < found[0] < found[1] < found[2] == lived.report.accepted
    assert len(lived.said) == 7


def test_exposures_are_of_the_variants_that_the_hash_deals_out(lived):
    counted = Counter()
    for event in lived.events:
        name = event["metadata"].get("experiment")
        if event["event_type"] != "exposure" or name is None:
            continue
        experiment = lived.experiments[name]
        arm = list(experiment.arms)[place_of(experiment, event["user_id"])]
        assert event["metadata"]["variant"] == arm
        counted[name] += 1
    assert counted.keys() == set(lived.experiments)


def test_what_is_shown_is_what_the_variant_says(lived):
    hero = {
        (event["metadata"]["variant"], event["metadata"]["content_id"])
        for event in lived.events
        if event["metadata"].get("experiment") == HERO_TEST.experiment
    }
    assert hero == {("greeting", "greeting"), ("offers", "offers")}
    checkout = {
        (event["metadata"]["variant"], event["metadata"]["content_id"])
        for event in lived.events
        if event["metadata"].get("experiment") == CHECKOUT_TEST.experiment
    }
    assert checkout == {("usual", "usual"), ("short", "short")}


def test_exposures_name_decisions_that_the_api_logged(lived):
    logged = {line["decision_id"] for line in spooled(lived.lake, "decisions")}
    named = {
        event["metadata"]["decision_id"]
        for event in lived.events
        if event["event_type"] in ("exposure", "click") and event["metadata"]["slot"] != "checkout"
    }
    of_flags = {
        event["metadata"]["decision_id"]
        for event in lived.events
        if event["metadata"].get("experiment") == CHECKOUT_TEST.experiment
    }
    assert named
    assert of_flags <= logged
    assert named <= logged


def test_lists_of_ones_own_are_better_by_tastes(lived):
    truth = truth_of(lived.world, lived.report.tally)
    lists = truth["experiments"][LISTS_TEST.experiment]
    assert lists["lift"] > 0.2
    best = truth["best_clicks_per_list"]
    assert lists["variants"]["popular"]["rate"] < best
    assert lists["variants"]["personal"]["rate"] < best * 1.3  # some come more than others


def test_both_ways_to_a_list_are_gone_and_nothing_falls_back(lived):
    assert lived.report.requests.keys() == {
        "/v1/personalize",
        "/v1/recommendations/{id}",
        "/v1/decide",
    }
    assert lived.report.fallbacks == {}


def test_the_truth_is_near_what_is_counted(lived):
    study = Study()
    for event in lived.events:
        study.add_event(event)
    estimate = study.estimate(HERO_TEST.experiment, 0.001)
    assert estimate.lift_low is None or estimate.lift_low <= 0.3 <= estimate.lift_high


def test_people_do_the_same_again_where_answers_are_the_same(lived, tmp_path):
    again = Lived(tmp_path / "lake")

    def known(events):
        return sorted(
            (e["event_id"], e["event_type"], e["timestamp"], e["user_id"], e.get("item_id") or "")
            for e in events
        )

    assert known(again.events) == known(lived.events)
    assert again.report.tally.events == lived.report.tally.events


def test_an_api_that_is_away_ends_the_simulation_with_its_name(lived, tmp_path):
    folder = tmp_path / "lake" / "_simulation"
    conf = folder / "conf"
    write_conf(conf, lived.first_day)
    plan = Plan(lived.world, lived.first_day, 1, tmp_path / "lake", [], folder)
    at = Addresses("http://127.0.0.1:9", "http://127.0.0.1:9", "key", "token")
    with pytest.raises(JobError, match="The collector should answer at http"):
        simulate(plan, at, lived.jobs, lived.said.append)
