"""A new model for a share of the people first: the experiment `canary`, from its start to its end.

It is an experiment as any other, conf/experiments/canary.yaml, which refresh writes: services deal
it out, analyze-experiments judges it. Its version is that of the model, so that each is counted
apart.

1. A candidate that passed the gate begins: the file says `running`, and until when.
2. While it runs, its lists are made and published beside the champion's.
3. The verdict ends it: `ship` at its end makes the candidate champion; `stop` and `broken`, at any
   time, keep the champion. Then the file says `stopped`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml
from pyspark.sql import functions as F

from sparkperso.config.experiments.experiment import EXPERIMENTS, Experiment
from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import STARTED, record_start, started_forms
from sparkperso.config.experiments.variants import Variant
from sparkperso.config.layers import conf_dirs, own_files
from sparkperso.config.metrics.metric import load_metrics
from sparkperso.config.refresh.canary import CanaryConfig
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.core.times import now
from sparkperso.jobs.promote_model import decide_about, promote, require_candidate, settle
from sparkperso.jobs.train_recommender.job import MODEL
from sparkperso.jobs.train_recommender.model_aliases import (
    CANDIDATE,
    CHAMPION,
    PREVIOUS,
    named,
    point,
    record,
    tag,
)
from sparkperso.pipeline.job import Job, Summary
from sparkperso.platform.literals import aware, moment
from sparkperso.recommend.promote.decision import require_accepted

if TYPE_CHECKING:
    from sparkperso.platform.tracking import ModelVersion

CANARY = "canary"
"""The experiment's name."""
VERDICTS = "gold/experiment_verdicts"
HEAD = "# Written by 'sparkperso refresh': a new model, for a share of the people first.\n"
Word = Literal["wait", "promote", "stop"]


@dataclass(frozen=True)
class Verdict:
    """What gold/experiment_verdicts says of it, last."""

    verdict: str
    why: str
    as_of: datetime
    """Up to when events count (UTC, aware)."""


def canary_files(job: Job) -> tuple[Path, Path]:
    """Returns the experiment's file, and that of what it was when it started."""
    folder = conf_dirs(job.conf_dir)[-1] / EXPERIMENTS
    return folder / f"{CANARY}.yaml", folder / STARTED / f"{CANARY}.yaml"


def require_place(job: Job) -> None:
    """Raises ConfigError where the canary's file could not be written, or a metric is unknown."""
    config = job.settings.refresh.canary
    if config is None:
        return
    dirs = conf_dirs(job.conf_dir)
    if len(dirs) == 1 or not os.access(dirs[-1], os.W_OK):
        raise ConfigError(
            "A canary (refresh.canary) is an experiment; its file is written into a conf/ of yours",
            f"{dirs[-1]} is {'the shipped one' if len(dirs) == 1 else 'not writable'}",
            "Name yours with --conf-dir, as services do; or set refresh.canary to null",
        )
    load_metrics(job.conf_dir, [*config.goals, *config.guardrails])


def running_canary(job: Job) -> Experiment | None:
    """Returns the canary that began and was not ended; None without one."""
    if CANARY not in own_files(EXPERIMENTS, job.conf_dir):
        return None
    found = load_experiment(CANARY, job.conf_dir)
    return found if found.status == "running" else None


def canary_of(version: str, config: CanaryConfig, at: datetime) -> Experiment:
    """Returns the experiment that compares a model's version with the champion from a time on."""
    return Experiment(
        name=CANARY,
        hypothesis=f"The lists of model version {version} are better than the champion's.",
        status="running",
        unit=config.unit,
        variants={
            "champion": Variant(weight=1 - config.share, model="champion"),
            "candidate": Variant(weight=config.share, model=version),
        },
        start=at,
        end=at + timedelta(days=config.days),
        goals=config.goals,
        guardrails=config.guardrails,
        version=int(version),
    )


def begin_or_promote(job: Job) -> Summary:
    """Decides about the candidate; one that passes begins with a share of the people.

    Without a champion there is nobody to compare with, and it is promoted. Raises QualityGateError
    as promote-model does.
    """
    config = job.settings.refresh.canary
    candidate, champion = require_candidate(job), job.tracking.by_alias(MODEL, CHAMPION)
    if config is None or champion is None or champion.version == candidate.version:
        return promote(job)
    decision = decide_about(job, candidate, champion)
    settle(job, candidate, champion, decision, moves=False)
    require_accepted(decision, named(candidate))
    experiment = canary_of(candidate.version, config, now().replace(microsecond=0))
    begin(job, experiment)
    return {"canary": named(candidate), "share": config.share, "until": str(experiment.end)}


def begin(job: Job, experiment: Experiment) -> None:
    """Writes down what a canary is, and then that it runs.

    In this order: services serve nothing that runs and was not started, and a process may be killed
    in between. What it wrote down of a version that never ran is written anew.
    """
    _, started = canary_files(job)
    form = started_forms(job.conf_dir).get(CANARY)
    if form is not None and form.version == experiment.version != _written_version(job):
        started.unlink()
    assert experiment.start is not None
    record_start(experiment, experiment.start, job.conf_dir)
    write(job, experiment)


def _written_version(job: Job) -> int | None:
    """The version that the canary's file has; None without one."""
    if CANARY not in own_files(EXPERIMENTS, job.conf_dir):
        return None
    return load_experiment(CANARY, job.conf_dir).version


def write(job: Job, experiment: Experiment) -> None:
    """Writes the canary's file, whole: services may read it at any moment."""
    path, _ = canary_files(job)
    values = experiment.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    written = path.with_name(f".{CANARY}.{os.getpid()}")
    written.write_text(HEAD + text, encoding="utf-8")
    written.replace(path)


def last_verdict(job: Job, experiment: Experiment) -> Verdict | None:
    """Returns the last verdict on the canary; None where it was not judged yet."""
    ref = job.lake.ref(VERDICTS)
    if not ref.exists():
        return None
    rows = ref.read().where(F.col("experiment") == experiment.key).orderBy(F.desc("as_of"))
    row = rows.select("verdict", "why", F.unix_micros("as_of")).first()
    return None if row is None else Verdict(row[0], row[1], aware(moment(row[2])))


def decide(experiment: Experiment, verdict: Verdict | None) -> tuple[Word, str]:
    """Returns what is to become of a canary, and why, a sentence."""
    end = experiment.end
    assert end is not None
    until = f"it runs until {end:%Y-%m-%d %H:%M} UTC"
    if verdict is None:
        return "wait", f"Nothing is known of it yet; {until}."
    if verdict.verdict in ("stop", "broken"):
        return "stop", verdict.why
    if verdict.as_of < end:
        return "wait", f"{verdict.why} Events up to {verdict.as_of:%Y-%m-%d %H:%M} count; {until}."
    if verdict.verdict == "ship":
        return "promote", verdict.why
    return "stop", f"It is over without a verdict to ship: {verdict.why}"


def end_canary(job: Job, experiment: Experiment, word: Word, why: str) -> Summary:
    """Ends a canary: its model becomes champion (`promote`), or the champion stays (`stop`).

    That is recorded. A candidate that was stopped is none any more: no other promotion takes it
    up. Raises JobError
    where the registry has no such version.
    """
    number = str(experiment.version)
    version = job.tracking.by_version(MODEL, number)
    if version is None:
        raise JobError(
            "The canary's model should be registered",
            f"There is no version {number}",
            f"Set status: stopped in conf/{EXPERIMENTS}/{CANARY}.yaml",
        )
    champion = job.tracking.by_alias(MODEL, CHAMPION)
    decision = "accepted" if word == "promote" else "refused"
    with job.tracking.run("promote-model", f"canary of version {number} {decision}") as run:
        record(run, decision, {CANDIDATE: version, CHAMPION: champion}, why, {CANARY: word})
        tag(job, version, decision, run, why)
        if word == "promote":
            point(job, {PREVIOUS: champion, CHAMPION: version})
        else:
            _withdraw(job, version)
    write(job, experiment.model_copy(update={"status": "stopped"}))
    return {"champion": named(version if word == "promote" else champion), "since": why}


def _withdraw(job: Job, version: ModelVersion) -> None:
    candidate = job.tracking.by_alias(MODEL, CANDIDATE)
    if candidate is not None and candidate.version == version.version:
        job.tracking.remove_alias(MODEL, CANDIDATE)
