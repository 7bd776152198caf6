"""A canary: the candidate for a share of the people, then for all or for none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.refreshes import SmallShop

from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import change_fault, started_forms
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.core.times import now
from sparkperso.jobs.refresh.canary import CANARY, VERDICTS
from sparkperso.jobs.refresh.job import refresh
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.frames import table_frame

pytestmark = pytest.mark.usefixtures("unrecorded")
ON = ["refresh.canary={share: 0.2, days: 7}"]


@pytest.fixture
def shop(make_job, tmp_path):
    """A champion of version 1, published, and a conf/ of its own."""
    conf_dir = tmp_path / "conf"
    (conf_dir / "base").mkdir(parents=True)
    found = SmallShop(make_job, conf_dir=conf_dir)
    found.fill()
    return found


def canary(shop):
    return load_experiment(CANARY, shop.conf_dir)


def judge(shop, verdict, as_of):
    """Writes what analyze-experiments would."""
    job, one = shop.job("look"), canary(shop)
    row = {
        **{
            "experiment": one.key,
            "verdict": verdict,
            "why": f"It is to {verdict}.",
            "as_of": as_of,
        },
        **{"sentences": [], "warnings": [], "phase": "running", "n_units": {}, "n_several": 0},
    }
    job.writer(VERDICTS).append(table_frame(job.spark, VERDICTS, [row]))


def test_a_candidate_that_passed_serves_a_share_beside_the_champion(shop):
    outcomes = refresh(shop.job(set=ON, force=True), shop.steps())
    assert outcomes["promote-model"].summary["share"] == 0.2
    after = shop.served()
    assert (after["champion"], after["previous_champion"], after["model"]) == ("1", None, "1")
    one = canary(shop)
    assert (one.status, one.key, one.control) == ("running", "canary:2", "champion")
    assert one.weights == pytest.approx((0.8, 0.2))
    assert one.arms["candidate"].model == "2"
    assert one.end - one.start == timedelta(days=7)
    assert change_fault(one, started_forms(shop.conf_dir)) is None
    # Services find the lists of both.
    assert {"champion", "1", "candidate", "2"} <= shop.manifest().models
    store = open_store(shop.job("look").settings)
    with store.open(store.current()) as version:
        assert b'"model_version":"2"' in version.get("candidate.new", "u1")
        assert b'"model_version":"1"' in version.get("lists.new", "u1")
    store.close()
    # While it runs nothing is trained, and nothing changes.
    before, job = shop.served(), shop.job(set=ON, force=True)
    assert refresh(job, shop.steps()) == {}
    assert "goes on. Nothing is known of it yet" in job.lines[0]
    assert shop.served() == before
    # Shipped only at its end, given up at any time; a dry run only says it.
    judge(shop, "ship", now())
    assert refresh(shop.job(set=ON), shop.steps()) == {}
    judge(shop, "stop", now())
    assert refresh(shop.job(set=ON, dry_run=True), shop.steps()) == {}
    assert canary(shop).status == "running"
    # Where a step fails, it goes on.
    with pytest.raises(JobError, match="publish failed"):
        refresh(shop.job(set=ON), shop.steps(publish=fail))
    assert canary(shop).status == "running"
    assert shop.served() == before
    tracking = shop.job("look").tracking
    assert tracking.by_alias("recommender", "candidate").version == "2"
    refresh(shop.job(set=ON), shop.steps())
    assert (canary(shop).status, shop.served()["champion"]) == ("stopped", "1")
    assert shop.manifest().candidate_version is None
    # What was given up is no candidate any more: the next run does not promote it.
    assert tracking.by_alias("recommender", "candidate") is None
    tags = tracking.client.get_model_version(tracking.model_name("recommender"), "2").tags
    assert "It is to stop." in tags["promotion_reasons"]


def test_its_verdict_makes_it_champion(shop):
    before = shop.served()
    # First a failure: then there is no canary.
    with pytest.raises(JobError, match="publish failed"):
        refresh(shop.job(set=ON, force=True), shop.steps(publish=fail))
    assert not list((shop.conf_dir / "experiments").rglob("*.yaml"))
    assert shop.served() == before
    refresh(shop.job(set=ON, force=True), shop.steps())
    judge(shop, "ship", canary(shop).end)
    refresh(shop.job(set=ON), shop.steps())
    after, manifest = shop.served(), shop.manifest()
    assert after["champion"] == manifest.model_version == str(canary(shop).version)
    assert after["previous_champion"] == "1"
    assert (manifest.candidate_version, canary(shop).status) == (None, "stopped")


def fail(job):
    raise RuntimeError("the disk is full")


def test_a_canary_needs_a_conf_of_its_own(shop):
    shop.conf_dir = None
    with pytest.raises(ConfigError, match="--conf-dir"):
        refresh(shop.job(set=ON, force=True), shop.steps())
