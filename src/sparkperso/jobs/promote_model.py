"""promote-model: the candidate becomes champion if it passes every check; or a rollback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparkperso.config import config_hash
from sparkperso.config.recommend.criterion import label_of
from sparkperso.core.errors import QualityGateError, UsageError
from sparkperso.jobs.train_recommender.job import MODEL
from sparkperso.jobs.train_recommender.model_aliases import (
    CANDIDATE,
    CHAMPION,
    PREVIOUS,
    named,
    point,
    record,
    roll_back,
    tag,
)
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step
from sparkperso.recommend.promote.decision import Decision, decide, require_accepted

if TYPE_CHECKING:
    from sparkperso.platform.tracking import ModelVersion


def promote_model(job: Job) -> Summary:
    """Points the alias `champion` at the candidate, or with `rollback` at the champion before.

    With `dry_run` it only shows the checks. Raises QualityGateError when there is no candidate or
    it is refused, JobError when a rollback has no version to turn to, UsageError when both options
    are given.
    """
    require_one_wish(job.options)
    return roll_back(job) if job.options.get("rollback") else promote(job)


def promote(job: Job) -> Summary:
    """Decides about the candidate, records that, and moves the aliases if it is accepted.

    With `dry_run` nothing is recorded and no alias moves. Raises QualityGateError when the
    candidate is refused, or there is none.
    """
    candidate, champion = require_candidate(job), job.tracking.by_alias(MODEL, CHAMPION)
    if champion is not None and champion.version == candidate.version:
        return {"champion": f"{named(champion)}, the candidate itself: nothing to do"}
    decision = decide_about(job, candidate, champion)
    if job.options.get("dry_run"):
        for check in decision.checks:
            job.say(str(check))
    else:
        settle(job, candidate, champion, decision)
    require_accepted(decision, named(candidate))
    return summarise(job, candidate, decision)


def require_candidate(job: Job) -> ModelVersion:
    """Returns the candidate; raises QualityGateError when none is registered.

    Training makes none of a shop that is still too small for it: a run then goes on to the lists,
    which are popularity's.
    """
    candidate = job.tracking.by_alias(MODEL, CANDIDATE)
    if candidate is None:
        raise QualityGateError(
            "There should be a candidate to promote",
            "None is registered",
            "Run 'sparkperso train-recommender' first",
        )
    return candidate


def decide_about(job: Job, candidate: ModelVersion, champion: ModelVersion | None) -> Decision:
    """Returns the decision by the candidate's document and the configured floors.

    A candidate that is the previous champion was left by a rollback: nothing else makes it both.
    """
    previous = job.tracking.by_alias(MODEL, PREVIOUS)
    return decide(
        candidate.document,
        champion.version if champion else None,
        job.as_of,
        job.settings.recommend,
        is_rolled_back=previous is not None and previous.version == candidate.version,
    )


def settle(
    job: Job,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    decision: Decision,
    *,
    moves: bool = True,
) -> None:
    """Records the decision, then moves the aliases of an accepted candidate, if it `moves` any.

    As a run of its own, as tags of the version, and as a document beside the run.
    """
    word = "accepted" if decision.is_accepted else "refused"
    config = job.settings.recommend.promotion.model_dump()
    with job.tracking.run(job.name, f"version {candidate.version} {word}") as run:
        run.log_params({"strategy": candidate.document.get("strategy"), **config})
        run.log_metrics({**decision.figures, "failed_checks": len(decision.failed)})
        run.set_tags({"as_of": job.as_of, "config_hash": config_hash(job.settings.recommend)})
        content = {**decision.as_dict(), "as_of": job.as_of.isoformat(), "config": config}
        record(run, word, {CANDIDATE: candidate, CHAMPION: champion}, decision.reasons, content)
        tag(job, candidate, word, run, decision.reasons)
        if decision.is_accepted and moves:
            # The old champion first: broken off in between, the next run does both again.
            point(job, {PREVIOUS: champion, CHAMPION: candidate})


def summarise(job: Job, candidate: ModelVersion, decision: Decision) -> Summary:
    """Returns the figures to print: the new champion, and what the checks on numbers found."""
    head = "would be champion" if job.options.get("dry_run") else "champion"
    passed = {check.name: check.found for check in decision.checks if check.figure is not None}
    metric = candidate.document["test"]["metric"]
    return {head: named(candidate), "judged by": label_of(metric), **passed}


def require_one_wish(options: Mapping[str, Any]) -> None:
    """Raises UsageError when both --dry-run and --rollback are given."""
    if options.get("dry_run") and options.get("rollback"):
        raise UsageError(
            "promote-model takes --dry-run or --rollback",
            "Found both",
            "Give one: a dry run shows the checks of the candidate, a rollback has none",
        )


# No inputs are named: what it depends on, the aliases of versions, are not tables.
STEP = Step(
    name="promote-model",
    action=promote_model,
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    require_one_wish(arguments)
    run_step(STEP, arguments)
