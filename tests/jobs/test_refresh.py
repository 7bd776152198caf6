"""refresh: a new model is served whole, or everything is as it was."""

from __future__ import annotations

import pytest
from tests.refreshes import SmallShop

from sparkperso.core.errors import JobError, QualityGateError, UsageError
from sparkperso.jobs.publish import STEP as PUBLISH
from sparkperso.jobs.refresh.job import NAMES, refresh, require_one_wish

pytestmark = pytest.mark.usefixtures("unrecorded")


@pytest.fixture
def shop(make_job):
    """A champion of version 1, its lists, and a store that serves them."""
    found = SmallShop(make_job)
    found.fill()
    return found


def test_a_better_candidate_becomes_champion_and_is_served(shop):
    outcomes = refresh(shop.job(force=True), shop.steps())
    assert {name: one.status for name, one in outcomes.items()} == dict.fromkeys(NAMES, "done")
    after = shop.served()
    assert (after["champion"], after["previous_champion"], after["model"]) == ("2", "1", "2")
    assert len(after["chain"]) == 2


def test_a_refused_candidate_keeps_the_old_model_and_the_refresh_goes_on(shop):
    shop.passes = False
    outcomes = refresh(shop.job(force=True), shop.steps())
    assert outcomes["promote-model"].status == "gate"
    assert outcomes["publish"].status == "done"
    after = shop.served()
    assert (after["champion"], after["model"]) == ("1", "1")
    assert len(after["chain"]) == 2


def failing(action, after=False):
    """Returns the action, which fails before or after its work."""

    def work(job):
        if after:
            action(job)
        raise RuntimeError("the disk is full")

    return work


@pytest.mark.parametrize("name", NAMES)
def test_whatever_step_fails_what_is_served_is_what_it_was(shop, name):
    before = shop.served()
    actions = {step.name: step.action for step in shop.steps()}
    broken = {name: failing(actions[name], after=True)}
    with pytest.raises(JobError) as caught:
        refresh(shop.job(force=True), shop.steps(**broken))
    assert shop.served() == before
    text = str(caught.value)
    assert f"{name} failed: the disk is full" in text
    assert "champion is version 1" in text
    assert f"the store serves {before['chain'][0]}" in text
    # And nothing stands in the way of the next one.
    refresh(shop.job(force=True), shop.steps())
    assert shop.served()["model"] == shop.served()["champion"] != "1"


def test_the_first_refresh_leaves_no_champion_where_it_fails(make_job):
    new = SmallShop(make_job)
    job = new.job(force=True)
    from tests.refreshes import AS_OF

    from sparkperso.testing.frames import events_frame

    events = [{"user_id": "u1", "event_type": "page_view", "timestamp": AS_OF}]
    job.writer("silver/events").append(events_frame(job.spark, events))
    with pytest.raises(JobError, match="champion is none"):
        refresh(job, new.steps(build_recommendations=failing(new.build, after=True)))
    tracking = new.job().tracking
    assert tracking.by_alias("recommender", "champion") is None
    assert new.job().lake.ref("gold/recommendations").read().isEmpty()


def test_a_publication_that_is_refused_takes_the_new_model_back(shop):
    before = shop.served()

    def refuse(job):
        raise QualityGateError("Too few records")

    with pytest.raises(QualityGateError, match=r"publish failed.*champion is version 1"):
        refresh(shop.job(force=True), shop.steps(publish=refuse))
    assert shop.served() == before


def test_an_interrupt_takes_the_new_model_back_and_ends_the_command(shop):
    before = shop.served()

    def interrupt(job):
        PUBLISH.action(job)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(shop.job(force=True), shop.steps(publish=interrupt))
    assert shop.served() == before


def test_what_cannot_be_put_back_is_said_and_the_rest_is(shop, monkeypatch):
    before = shop.served()

    def fail(*_):
        raise RuntimeError("no answer")

    monkeypatch.setattr("sparkperso.jobs.refresh.served._point", fail)
    with pytest.raises(JobError, match="alias champion could not be put back: no answer"):
        refresh(shop.job(force=True), shop.steps(publish=fail))
    monkeypatch.undo()
    after = shop.served()
    assert (after["champion"], before["champion"]) == ("2", "1")
    assert {n: after[n] for n in before if n not in ("champion", "previous_champion")} == {
        n: before[n] for n in before if n not in ("champion", "previous_champion")
    }


def test_without_a_cause_there_is_nothing_to_do(shop):
    before = shop.served()
    quiet = ["refresh.every_days=null", "refresh.max_age_days=14"]
    job = shop.job(set=quiet)
    assert refresh(job, shop.steps()) == {}
    assert job.lines[-1] == "refresh: nothing to do"
    assert len(job.lines) == 6
    assert shop.served() == before


def test_a_dry_run_says_every_trigger_and_does_nothing(shop):
    before = shop.served()
    job = shop.job(dry_run=True)
    assert refresh(job, shop.steps()) == {}
    assert job.lines[0] == "fires  schedule: no training was ever done"
    assert job.lines[1].strip().startswith("staleness: champion 1 knows events up to 1.5 days")
    assert len(job.lines) == 5
    assert shop.served() == before


def test_with_a_cause_it_trains(shop):
    assert set(refresh(shop.job(), shop.steps())) == set(NAMES)


def test_a_dry_run_and_force_together_are_refused():
    with pytest.raises(UsageError, match="Found --dry-run and --force"):
        require_one_wish({"dry_run": True, "force": True})
