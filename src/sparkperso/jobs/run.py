"""`run`: every step from raw events to recommendation tables, restartable."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any
from uuid import uuid4

from sparkperso.config import Settings, load_named
from sparkperso.config.sources.facts import KEYS
from sparkperso.config.sources.source import SourceConfig
from sparkperso.core.errors import QualityGateError, UsageError
from sparkperso.pipeline.job import Job, latest_event
from sparkperso.pipeline.progress import Progress, spark_activity
from sparkperso.pipeline.registry import JOBS, JobEntry, steps_of_run
from sparkperso.pipeline.runner import figures, open_job
from sparkperso.pipeline.step import Outcome, Step, carry_out, is_up_to_date

STEPS: tuple[Step, ...] = tuple(entry.load().STEP for entry in steps_of_run(with_optional=True))

INGEST, LOAD = "ingest-events", "load-source"
MARKS = {"done": "✓", "up to date": "=", "gate": "!"}


def run_steps(
    job: Job, steps: tuple[Step, ...] = STEPS, outcomes: dict[str, Outcome] | None = None
) -> dict[str, Outcome]:
    """Carries out the steps in one Spark session and returns what came of each, by name.

    Into `outcomes`, where it is given: so that somebody knows which steps ended if one fails.

    All look back from one time: --as-of, else the latest event after ingesting. A step whose code,
    inputs and configuration are those of its last successful run is left out. A failure stops the
    run; what the steps before it wrote stays, and is not done again. Raises ConfigError, before the
    first step, for settings that one of them cannot work with; QualityGateError of a step that the
    others cannot do without; and whatever else a step raises.
    """
    steps = tuple(step for step in steps if _is_wanted(step, job.settings))
    for step in steps:
        if step.check:
            step.check(job.settings)
    activity = spark_activity(job.spark)
    tasks = with_sources(job, steps)
    progress = Progress(len(tasks), activity=activity, is_json=job.log.is_json)
    outcomes = {} if outcomes is None else outcomes
    as_of = job.requested_as_of
    for number, (name, step, options) in enumerate(tasks, start=1):
        # Found once, after the events of this run are in: a stream may bring later ones meanwhile.
        as_of = as_of or (latest_event(job) if step.inputs else None)
        own = replace(_job_of(step, job, options, progress), requested_as_of=as_of)
        with progress.step(number, name):
            outcome = _attempt(step, own)
        text = str(outcome.error) if outcome.error else figures(outcome.summary)
        progress.done(MARKS[outcome.status], name, outcome.seconds, text or outcome.status)
        outcomes[name] = outcome
    return outcomes


Task = tuple[str, Step, Mapping[str, Any]]
"""What is carried out: its name in the run, the step, and the options that it is given."""


def with_sources(job: Job, steps: Sequence[Step]) -> list[Task]:
    """Returns what is carried out: the steps, of which `ingest-events` once for each source.

    A source of items, users or decisions is loaded in its place. Raises UsageError for --path with
    several sources, and ConfigError for a source that there is not, before any work.
    """
    given = job.options.get("source") or ()
    sources = (given,) if isinstance(given, str) else tuple(given)
    if len(sources) > 1 and job.options.get("path"):
        raise UsageError(
            "--path says where one source is to be read",
            f"There are {len(sources)}: {', '.join(sources)}",
            "Set 'path' in the file of each, conf/sources/NAME.yaml",
        )
    tasks: list[Task] = []
    for step in steps:
        options = {n: job.options[n] for n in _entry(step).run_options if n in job.options}
        if step.name != INGEST or not sources:
            tasks.append((step.name, step, options))
            continue
        for source in sources:
            own = _step_of(source, job, step)
            name = own.name if len(sources) == 1 else f"{own.name} {source}"
            tasks.append((name, own, {**options, "source": source}))
    return tasks


def _step_of(source: str, job: Job, ingest: Step) -> Step:
    config = load_named("sources", source, SourceConfig, job.conf_dir)
    if config.kind in KEYS:
        load: Step = JOBS[LOAD].load().STEP
        return load
    return ingest


def require_no_gate(outcomes: Mapping[str, Outcome]) -> None:
    """Raises QualityGateError (exit status 3) when a step failed its quality gate.

    At the end, since what the other steps wrote is good; the message names the steps.
    """
    refused = [name for name, outcome in outcomes.items() if outcome.status == "gate"]
    if refused:
        raise QualityGateError(
            "Every quality gate should be passed",
            f"The run is complete, but {', '.join(refused)} failed a quality gate (lines marked !)",
            "The tables hold the best that was allowed: an earlier champion's lists, or, where "
            "there are none, popularity's",
        )


def _attempt(step: Step, job: Job) -> Outcome:
    started = time.monotonic()
    if is_up_to_date(step, job):
        return Outcome("up to date", time.monotonic() - started, {})
    try:
        return carry_out(step, job)
    except QualityGateError as gate:
        # Without the others the run goes on with what was there before.
        if _entry(step).is_indispensable:
            raise
        return Outcome("gate", time.monotonic() - started, {}, gate)


def _job_of(step: Step, job: Job, options: Mapping[str, Any], progress: Progress) -> Job:
    """Returns the job of one step: the same surroundings, a run of its own."""
    own = replace(job, name=step.name, options=options, run_id=uuid4().hex)
    own.say, own.count = progress.say, progress.count
    return own


def _is_wanted(step: Step, settings: Settings) -> bool:
    """Says whether a step is to be carried out: one that hangs on a setting, if that is true."""
    setting = _entry(step).only_if
    return setting is None or bool(attrgetter(setting)(settings))


def _entry(step: Step) -> JobEntry:
    """What the registry says of a step; of one that is not in it, that nothing is special."""
    return JOBS.get(step.name, JobEntry(step.name, "", ""))


def main(arguments: dict[str, Any]) -> None:
    """Runs all steps; exit status 3 when a quality gate failed."""
    with open_job("run", arguments) as job:
        require_no_gate(run_steps(job))
