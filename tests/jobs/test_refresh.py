"""refresh: a new model is served whole, or everything is as it was."""

from __future__ import annotations

import pytest
from tests.refreshes import AT, SmallShop

from sparkperso.core.errors import JobError, QualityGateError, UsageError
from sparkperso.jobs.publish import STEP as PUBLISH
from sparkperso.jobs.refresh.job import NAMES, refresh, require_one_wish
from sparkperso.testing.frames import table_frame

pytestmark = pytest.mark.usefixtures("unrecorded")


@pytest.fixture
def shop(make_job):
    """A champion of version 1, its lists, and a store that serves them."""
    found = SmallShop(make_job)
    found.fill()
    return found


def test_a_better_candidate_is_served_and_a_refused_one_keeps_the_old_model(shop):
    outcomes = refresh(shop.job(force=True), shop.steps())
    assert {name: one.status for name, one in outcomes.items()} == dict.fromkeys(NAMES, "done")
    after = shop.served()
    assert (after["champion"], after["previous_champion"], after["model"]) == ("2", "1", "2")
    assert len(after["chain"]) == 2
    shop.passes = False
    outcomes = refresh(shop.job(force=True), shop.steps())
    # The gate's no does not end the refresh: lists are made anew, and published.
    assert outcomes["promote-model"].status == "gate"
    assert outcomes["publish"].status == "done"
    after = shop.served()
    assert (after["champion"], after["model"], len(after["chain"])) == ("2", "2", 3)


def test_a_second_one_does_nothing_while_one_is_at_work(shop):
    """It would put back what the first one published, were it to fail after it."""
    seen = []

    def train(job):
        shop.train(job)
        second = shop.job(force=True)
        seen.extend([refresh(second, shop.steps(publish=refuse)), *second.lines])
        dry = shop.job(dry_run=True)
        assert refresh(dry, shop.steps()) == {}
        assert any("schedule" in line for line in dry.lines), "to look is always allowed"
        return {}

    outcomes = refresh(shop.job(force=True), shop.steps(train_recommender=train))
    assert seen == [{}, "refresh: another one is at work on this lake: nothing to do"]
    assert outcomes["publish"].status == "done"
    assert refresh(shop.job(force=True), shop.steps())["publish"].status == "done"


def failing(action, after=False):
    """Returns the action, which fails before or after its work."""

    def work(job):
        if after:
            action(job)
        raise RuntimeError("the disk is full")

    return work


def interrupt(job):
    PUBLISH.action(job)
    raise KeyboardInterrupt


def refuse(job):
    raise QualityGateError("Too few records")


def test_whatever_step_fails_what_is_served_is_what_it_was(shop, monkeypatch):
    before = shop.served()
    actions = {step.name: step.action for step in shop.steps()}
    for name in NAMES:
        broken = {name: failing(actions[name], after=True)}
        with pytest.raises(JobError) as caught:
            refresh(shop.job(force=True), shop.steps(**broken))
        assert shop.served() == before, name
        text = str(caught.value)
        assert f"{name} failed: the disk is full" in text
        assert "champion is version 1" in text
        assert f"the store serves {before['chain'][0]}" in text
    # So it is where publishing refuses the version, and where somebody interrupts.
    with pytest.raises(QualityGateError, match=r"publish failed.*champion is version 1"):
        refresh(shop.job(force=True), shop.steps(publish=refuse))
    assert shop.served() == before
    with pytest.raises(KeyboardInterrupt):
        refresh(shop.job(force=True), shop.steps(publish=interrupt))
    assert shop.served() == before
    # What cannot be put back is said, and the rest is put back.
    with monkeypatch.context() as patch:
        patch.setattr("sparkperso.jobs.refresh.served._point", refuse)
        with pytest.raises(JobError, match="alias champion could not be put back"):
            refresh(shop.job(force=True), shop.steps(publish=failing(refuse)))
    after = shop.served()
    aliases = ("champion", "previous_champion")
    assert after["champion"] != before["champion"]
    assert [after[n] for n in before if n not in aliases] == [
        before[n] for n in before if n not in aliases
    ]
    # And nothing stands in the way of the next one.
    refresh(shop.job(force=True), shop.steps())
    assert shop.served()["model"] == shop.served()["champion"] != "1"


def test_the_first_refresh_leaves_no_champion_where_it_fails(make_job):
    new = SmallShop(make_job)
    new.fill(with_steps=False)
    broken = failing(new.build, after=True)
    with pytest.raises(JobError, match="champion is none"):
        refresh(new.job(force=True), new.steps(build_recommendations=broken))
    assert new.job().tracking.by_alias("recommender", "champion") is None
    assert new.job().lake.ref("gold/recommendations").read().isEmpty()


def test_it_trains_where_there_is_cause_and_a_dry_run_says_which(shop):
    before = shop.served()
    # Its one event came after what the champion knows, of which there is none.
    quiet = shop.job(set=["refresh.every_days=null", "refresh.volume.share=null"])
    assert refresh(quiet, shop.steps()) == {}
    assert quiet.lines[-1] == "refresh: nothing to do"
    assert len(quiet.lines) == 6
    alert = {
        "alert_id": "a",
        "check": "feature_drift",
        "subject": "monetary",
        "severity": "warning",
    }
    alert |= {"status": "open", "message": "monetary drifted", "to_do": "Look", "run_id": "r"}
    alert |= dict.fromkeys(("first_seen", "last_seen"), AT)
    alerts = [alert, {**alert, "alert_id": "b", "message": "it did", "status": "resolved"}]
    job = shop.job("look")
    job.writer("ops/alerts").append(table_frame(job.spark, "ops/alerts", alerts))
    look = shop.job(dry_run=True)
    assert refresh(look, shop.steps()) == {}
    assert look.lines[0] == "fires  schedule: no training was ever done"
    assert look.lines[1].strip().startswith("staleness: champion 1 knows events up to 1.5 days")
    assert look.lines[2] == "fires  drift: monetary drifted"
    assert len(look.lines) == 5
    assert shop.served() == before
    assert set(refresh(shop.job(), shop.steps())) == set(NAMES)


def test_a_dry_run_and_force_together_are_refused():
    with pytest.raises(UsageError, match="Found --dry-run and --force"):
        require_one_wish({"dry_run": True, "force": True})
