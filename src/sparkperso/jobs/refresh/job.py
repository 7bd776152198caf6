"""refresh: trains anew when there is cause, and serves what passes, or what was served before.

1. What is known is held against the triggers of the section `refresh`. Without a cause that is all.
2. Features, segments, profiles, training, the gate, lists and, where a store is used, publishing.
   A candidate that the gate refuses keeps the old model, whose lists are made anew and published.
3. Where a step fails, what is served is put back: champion, lists and the store's version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sparkperso.config import Settings
from sparkperso.config.experiments.experiment import Experiment
from sparkperso.core.causes import message_of
from sparkperso.core.errors import ConfigError, JobError, QualityGateError, UsageError
from sparkperso.jobs.promote_model import STEP as PROMOTE_MODEL
from sparkperso.jobs.refresh.canary import (
    CANARY,
    begin_or_promote,
    decide,
    end_canary,
    last_verdict,
    require_place,
    running_canary,
)
from sparkperso.jobs.refresh.knowledge import falling_kpis, look
from sparkperso.jobs.refresh.served import Served, put_back, what_is_served
from sparkperso.jobs.refresh.suggest import suggest
from sparkperso.jobs.refresh.triggers import causes, too_soon
from sparkperso.jobs.run import require_no_gate, run_steps
from sparkperso.jobs.train_recommender.model_aliases import CANDIDATE
from sparkperso.pipeline.job import Job
from sparkperso.pipeline.registry import JOBS
from sparkperso.pipeline.runner import open_job
from sparkperso.pipeline.step import Outcome, Step
from sparkperso.platform.lake_lock import lake_lock

BUILD, PROMOTE, PUBLISH = "build-recommendations", "promote-model", "publish"
ANALYSE = "analyze-experiments"
NAMES = (
    *("build-features", "build-segments", "build-profiles"),
    *("train-recommender", PROMOTE, BUILD, PUBLISH),
)
NOTHING = "nothing to do"


def refresh(job: Job, steps: Sequence[Step] | None = None) -> dict[str, Outcome]:
    """Trains anew if there is cause, and returns what came of each step; none without a cause.

    With the option `dry_run` it says the causes alone, with `force` it needs none. While another
    process refreshes the lake it does nothing. Raises what `renew` does, JobError without events,
    TrackingError where the registry does not answer.
    """
    require_place(job)
    if job.options.get("dry_run"):
        return _refresh(job, steps)
    with lake_lock(job.settings.lake, "refresh") as is_alone:
        if is_alone:
            return _refresh(job, steps)
    job.say(f"refresh: another one is at work on this lake: {NOTHING}")
    return {}


def _refresh(job: Job, steps: Sequence[Step] | None) -> dict[str, Outcome]:
    canary = running_canary(job)
    if canary is not None:
        return look_after(job, canary, steps)
    is_due = say_causes(job)
    if job.options.get("dry_run"):
        return {}
    if not is_due and not job.options.get("force"):
        job.say(f"refresh: {NOTHING}")
        return {}
    return renew(job, steps)


def look_after(
    job: Job, canary: Experiment, steps: Sequence[Step] | None = None
) -> dict[str, Outcome]:
    """Ends a canary whose verdict is there, and returns what came of each step; else waits.

    While one runs nothing is trained. Raises what `renew` does.
    """
    if steps is None and not job.options.get("dry_run"):
        run_steps(replace(job, options={"experiment": (CANARY,)}), (JOBS[ANALYSE].load().STEP,))
    word, why = decide(canary, last_verdict(job, canary))
    meaning = {"wait": "goes on", "promote": "becomes champion", "stop": "is given up"}[word]
    job.say(f"canary: model version {canary.version} {meaning}. {why}")
    if word == "wait" or job.options.get("dry_run"):
        job.say(f"refresh: {NOTHING}")
        return {}
    settle = Step(PROMOTE, partial(end_canary, experiment=canary, word=word, why=why))
    later = [step for step in _steps(steps) if step.name in (BUILD, PUBLISH)]
    return renew(job, [settle, *later], CANDIDATE)


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


def renew(job: Job, steps: Sequence[Step] | None = None, *aliases: str) -> dict[str, Outcome]:
    """Carries out the steps, or leaves what is served as it was.

    `steps`: others than those of the registry; `aliases`: more that are to be put back. Raises
    JobError where one fails, QualityGateError where publishing was refused or a step that the
    others need was; in each case the message says what is served. An interrupt is passed on, once
    everything is put back.
    """
    before = what_is_served(job, *aliases)
    settings = job.settings
    if before.store is not None:
        # Somebody serves from it: it is to have the new lists.
        publish = settings.publish.model_copy(update={"in_run": True})
        settings = settings.model_copy(update={PUBLISH: publish})
    own = replace(job, settings=settings, options={})
    steps = _steps(steps)
    if settings.refresh.canary is not None:
        require_store(settings)
        steps = [
            replace(step, action=begin_or_promote) if step is PROMOTE_MODEL else step
            for step in steps
        ]
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


def _steps(steps: Sequence[Step] | None) -> Sequence[Step]:
    return [JOBS[name].load().STEP for name in NAMES] if steps is None else steps


def require_store(settings: Settings) -> None:
    """Raises ConfigError where nothing would be published: a canary is served from there."""
    if not settings.publish.in_run:
        raise ConfigError(
            "A canary (refresh.canary) needs a serving store, which has the lists of both models",
            "It has no version, and publish.in_run is false",
            "Publish once ('sparkperso publish'), or set refresh.canary to null",
        )


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


def require_one_wish(options: Mapping[str, Any]) -> None:
    """Raises UsageError when more than one of --dry-run, --force and --suggest is given."""
    wishes = [name for name in ("dry_run", "force", "suggest") if options.get(name)]
    if len(wishes) > 1:
        raise UsageError(
            "refresh takes one of --dry-run, --force and --suggest",
            f"Found {' and '.join('--' + name.replace('_', '-') for name in wishes)}",
            "Give one: a dry run says what is cause, with --force none is needed",
        )


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line; exit status 3 when a quality gate failed."""
    require_one_wish(arguments)
    with open_job("refresh", arguments) as job:
        if job.options.get("suggest"):
            suggest(job)
        else:
            require_no_gate(refresh(job))
