"""promote-model on registered documents alone: aliases, records, dry runs, the way back."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.recommend.test_promotion import GOOD, WORSE

from sparkperso.cli.main import cli
from sparkperso.core.errors import JobError, QualityGateError, UsageError
from sparkperso.jobs.promote_model import STEP
from sparkperso.jobs.run import run_steps
from sparkperso.pipeline.step import carry_out
from sparkperso.testing.frames import events_frame

AS_OF = datetime(2026, 3, 1)


@dataclass
class Registry:
    """The recommender's versions, and promote-model on them."""

    make_job: object

    def job(self, **options):
        lines = []
        found = self.make_job("promote-model", as_of=AS_OF, **options)
        found.say, found.lines = lines.append, lines
        return found

    @property
    def tracking(self):
        return self.job().tracking

    def train(self, compared=None, **test):
        """Registers a candidate that was compared with a champion and passes every check."""
        document = copy.deepcopy(GOOD)
        document["test"] |= {"champion_version": compared, **test}
        with self.tracking.run("train-recommender", "light") as run:
            version = self.tracking.register("recommender", run.run_id, document)
        self.tracking.set_alias("recommender", "candidate", version)
        return version

    def promote(self, **options):
        from sparkperso.jobs.promote_model import STEP

        return STEP.action(self.job(**options))

    def promoted(self, count):
        """Trains and promotes some versions, one after the other; returns the last."""
        version = None
        for _ in range(count):
            version = self.train(version)
            self.promote()
        return version

    @property
    def aliases(self):
        names = ("champion", "previous_champion")
        found = (self.tracking.by_alias("recommender", name) for name in names)
        return tuple(version and version.version for version in found)

    def tags(self, version):
        client, name = self.tracking.client, self.tracking.model_name("recommender")
        return client.get_model_version(name, version).tags

    def runs(self):
        """Runs of promote-model, the latest first."""
        client = self.tracking.client
        experiment = client.get_experiment_by_name(f"{self.tracking.prefix}/promote-model")
        return client.search_runs([experiment.experiment_id]) if experiment else []

    def decision(self, run):
        path = self.tracking.client.download_artifacts(run.info.run_id, "decision.json")
        return json.loads(Path(path).read_text())


@pytest.fixture
def registry(make_job):
    return Registry(make_job)


def test_the_first_accepted_candidate_is_champion_and_has_none_before(registry):
    registry.train()
    summary = registry.promote()
    assert registry.aliases == ("1", None)
    assert summary["champion"] == "version 1 (als_implicit)"
    assert {"popularity", "popularity_tuned", "coverage", "worst_bucket"} <= set(summary)


def test_the_next_champion_keeps_the_one_before(registry):
    registry.promoted(2)
    assert registry.aliases == ("2", "1")
    registry.train("2")
    registry.promote()
    assert registry.aliases == ("3", "2")


def test_a_decision_is_kept_with_its_reasons_in_a_run_and_at_the_version(registry):
    registry.promoted(1)
    (run,) = registry.runs()
    assert run.info.status == "FINISHED"
    assert run.data.params["candidate"] == "1"
    assert run.data.params["champion"] == "None"
    assert run.data.params["max_age_days"] == "30.0"
    assert run.data.metrics["coverage"] == 0.4
    assert run.data.metrics["failed_checks"] == 0
    assert run.data.tags["decision"] == "accepted"
    assert "freshness: data up to" in run.data.tags["reasons"]
    kept = registry.decision(run)
    assert kept["is_accepted"]
    assert len(kept["checks"]) == 8
    assert kept["versions"] == {"candidate": "1", "champion": None}
    tags = registry.tags("1")
    assert (tags["promotion"], tags["promotion_run"]) == ("accepted", run.info.run_id)


def test_a_refused_candidate_leaves_the_champion_and_the_refusal_is_kept(registry):
    registry.promoted(2)
    gains = {**GOOD["test"]["gains"], "popularity": WORSE.as_dict()}
    weak = registry.train("1", gains=gains)
    with pytest.raises(QualityGateError) as error:
        registry.promote()
    assert "2 failed: popularity" in str(error.value)
    assert "comparison with champion version 1" in str(error.value)
    assert registry.aliases == ("2", "1")
    run = registry.runs()[0]
    assert run.info.status == "FINISHED"
    assert run.data.tags["decision"] == "refused"
    assert run.data.metrics["failed_checks"] == 2
    assert not registry.decision(run)["is_accepted"]
    assert registry.tags(weak)["promotion"] == "refused"
    assert "popularity: a gain of" in registry.tags(weak)["promotion_reasons"]


def test_an_older_document_is_refused_with_what_it_lacks(registry):
    version = registry.train()
    old = registry.tracking.by_alias("recommender", "candidate").document
    del old["test"]["buckets"], old["test"]["champion_version"]
    with registry.tracking.run("train-recommender", "old") as run:
        version = registry.tracking.register("recommender", run.run_id, old)
    registry.tracking.set_alias("recommender", "candidate", version)
    with pytest.raises(QualityGateError, match=r"lacks test\.champion_version.*test\.buckets"):
        registry.promote()
    assert registry.aliases == (None, None)


def test_a_candidate_that_is_champion_already_leaves_nothing_to_do(registry):
    registry.promoted(2)
    runs = len(registry.runs())
    assert "nothing to do" in registry.promote()["champion"]
    assert registry.aliases == ("2", "1")
    assert len(registry.runs()) == runs


def test_a_dry_run_shows_every_check_and_leaves_no_trace(registry):
    from sparkperso.jobs.promote_model import promote_model

    registry.promoted(1)
    good = registry.train("1")
    job = registry.job(dry_run=True)
    assert promote_model(job)["would be champion"] == f"version {good} (als_implicit)"
    assert len(job.lines) == 8
    assert all(line.startswith("✓ ") for line in job.lines)
    bad = registry.train("7")
    job = registry.job(dry_run=True)
    with pytest.raises(QualityGateError):
        promote_model(job)
    assert [line for line in job.lines if line.startswith("! champion: found a comparison")]
    assert registry.aliases == ("1", None)
    assert len(registry.runs()) == 1
    assert not {"promotion", "promotion_run"} & {*registry.tags(good), *registry.tags(bad)}


def test_only_a_dry_run_has_no_row_in_ops_runs(registry):
    from sparkperso.jobs.promote_model import STEP
    from sparkperso.pipeline.step import carry_out

    registry.train()
    job = registry.job(dry_run=True)
    carry_out(STEP, job)
    assert not job.lake.ref("ops/runs").exists()
    carry_out(STEP, registry.job(dry_run=False))
    assert job.lake.ref("ops/runs").read().count() == 1


def test_a_rollback_returns_to_the_champion_before_and_a_second_comes_back(registry):
    registry.promoted(2)
    summary = registry.promote(rollback=True)
    assert summary["champion"] == "version 1 (als_implicit)"
    assert registry.aliases == ("1", "2")
    assert registry.tags("1")["promotion"] == "rolled back to"
    assert registry.tags("2")["promotion"] == "rolled back from"
    run = registry.runs()[0]
    assert run.data.tags["decision"] == "rollback"
    assert registry.decision(run)["versions"] == {"champion": "2", "previous_champion": "1"}
    registry.promote(rollback=True)
    assert registry.aliases == ("2", "1")


def test_the_next_run_does_not_undo_a_rollback(registry):
    registry.promoted(2)
    registry.promote(rollback=True)
    with pytest.raises(QualityGateError, match="not_rolled_back"):
        registry.promote()
    assert registry.aliases == ("1", "2")
    registry.train("1")
    registry.promote()
    assert registry.aliases == ("3", "1")


@pytest.mark.parametrize("count", [0, 1])
def test_a_rollback_without_a_champion_before_says_so(registry, count):
    registry.promoted(count)
    with pytest.raises(JobError, match="previous_champion"):
        registry.promote(rollback=True)
    assert registry.aliases == (("1", None) if count else (None, None))


def test_promotion_without_a_candidate_says_what_to_do(registry):
    with pytest.raises(QualityGateError, match="train-recommender"):
        registry.promote()


def test_a_run_leaves_a_candidate_alone_where_an_experiment_is_to_decide(make_job):
    job = make_job("run", set=["recommend.promotion.in_run=false"])
    assert run_steps(job, (STEP,)) == {}
    with pytest.raises(QualityGateError, match="None is registered"):
        carry_out(STEP, make_job("promote-model"))


def test_a_dry_run_of_a_rollback_is_refused_before_spark_is_started(registry):
    with pytest.raises(UsageError, match="dry-run or --rollback"):
        registry.promote(dry_run=True, rollback=True)
    answer = CliRunner().invoke(cli, ["promote-model", "--dry-run", "--rollback", "--env", "none"])
    assert "dry-run or --rollback" in str(answer.exception)


def test_freshness_is_asked_as_of_the_latest_event(registry, make_job):
    from sparkperso.jobs.promote_model import promote_model

    registry.train()
    job = make_job("promote-model")
    late = {"user_id": "u", "event_type": "page_view", "timestamp": datetime(2026, 6, 1)}
    job.writer("silver/events").append(events_frame(job.spark, [late]))
    with pytest.raises(QualityGateError, match=r"1 failed: freshness.*before 2026-06-01"):
        promote_model(job)
