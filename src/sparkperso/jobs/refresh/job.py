"""refresh: trains anew when there is cause, and serves what passes, or what was served before.

1. What is known is held against the triggers of the section `refresh`. Without a cause that is all.
2. Features, segments, profiles, training, the gate, lists and, where a store is used, publishing.
   A candidate that the gate refuses keeps the old model, whose lists are made anew and published.
3. Where a step fails, what is served is put back: champion, lists and the store's version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sparkperso.core.causes import message_of
from sparkperso.core.errors import JobError, QualityGateError, UsageError
from sparkperso.jobs.refresh.knowledge import falling_kpis, look
from sparkperso.jobs.refresh.served import Served, put_back, what_is_served
from sparkperso.jobs.refresh.triggers import causes, too_soon
from sparkperso.jobs.run import require_no_gate, run_steps
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.registry import JOBS
from sparkperso.pipeline.runner import open_job
from sparkperso.pipeline.step import Outcome, Step

PUBLISH = "publish"
NAMES = (
    *("build-features", "build-segments", "build-profiles"),
    *("train-recommender", "promote-model", "build-recommendations", PUBLISH),
)
NOTHING = "nothing to do"


def refresh(job: Job, steps: Sequence[Step] | None = None) -> dict[str, Outcome]:
    """Trains anew if there is cause, and returns what came of each step; none without a cause.

    With the option `dry_run` it says the causes alone, with `force` it needs none. Raises what
    `renew` does, JobError without events, TrackingError where the registry does not answer.
    """
    is_due = say_causes(job)
    if job.options.get("dry_run"):
        return {}
    if not is_due and not job.options.get("force"):
        job.say(f"refresh: {NOTHING}")
        return {}
    return renew(job, steps)


def say_causes(job: Job) -> bool:
    """Says every trigger and why it fires or does not; returns whether there is cause."""
    known, config = look(job), job.settings.refresh
    found = causes(known, config, falling_kpis(job))
    for cause in found:
        job.say(str(cause))
    fires = any(cause.fires for cause in found)
    why = too_soon(known, config)
    if fires and why:
        job.say(f"But {why}")
    return fires and why is None


def renew(job: Job, steps: Sequence[Step] | None = None) -> dict[str, Outcome]:
    """Carries out the steps, or leaves what is served as it was.

    `steps`: others than those of the registry. Raises JobError where one fails, QualityGateError
    where publishing was refused or a step that the others need was; in each case the message says
    what is served. An interrupt is passed on, once everything is put back.
    """
    before = what_is_served(job)
    settings = job.settings
    if before.store is not None:
        # Somebody serves from it: it is to have the new lists.
        publish = settings.publish.model_copy(update={"in_run": True})
        settings = settings.model_copy(update={PUBLISH: publish})
    own = replace(job, settings=settings, options={})
    if steps is None:
        steps = [JOBS[name].load().STEP for name in NAMES]
    outcomes: dict[str, Outcome] = {}
    try:
        run_steps(own, tuple(steps), outcomes)
        published = outcomes.get(PUBLISH)
        if published is not None and published.error is not None:
            raise published.error
    except BaseException as error:
        told = _undone(job, before, list(outcomes), steps, error)
        if told is error:
            raise
        raise told from error
    return outcomes


def _undone(
    job: Job, before: Served, ended: Sequence[str], steps: Sequence[Step], error: BaseException
) -> BaseException:
    """Puts back what is served, and returns what is to be raised."""
    faults = put_back(job, before)
    if not isinstance(error, Exception) or isinstance(error, UsageError):
        # An interrupt; or settings that a step cannot work with, found before the first one.
        for fault in faults:
            job.say(fault)
        return error
    names = [step.name for step in steps]
    failed = PUBLISH if PUBLISH in ended else next((n for n in names if n not in ended), "a step")
    kept = "; ".join(faults) or f"What was served is as it was: {before}"
    found = f"{failed} failed: {message_of(error)} {kept}"
    is_gate = isinstance(error, QualityGateError)
    action = "Do what that asks for, then 'sparkperso refresh --force'"
    return (QualityGateError if is_gate else JobError)(
        "Every step of refresh should be done", found, action
    )


def require_one_wish(options: dict[str, Any]) -> None:
    """Raises UsageError when both --dry-run and --force are given."""
    if options.get("dry_run") and options.get("force"):
        raise UsageError(
            "refresh takes --dry-run or --force",
            "Found both",
            "Give one: a dry run says what is cause, with --force none is needed",
        )


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line; exit status 3 when a quality gate failed."""
    require_one_wish(arguments)
    with open_job("refresh", arguments) as job:
        require_no_gate(refresh(job))
