"""gold/candidate_recommendations: lists of the model that a running experiment compares."""

from __future__ import annotations

from pyspark.sql import DataFrame

from sparkperso.config.experiments.load import load_experiments
from sparkperso.core.errors import ConfigError
from sparkperso.core.times import now
from sparkperso.jobs.build_recommendations.champion import popularity_params
from sparkperso.jobs.build_recommendations.personal_lists import (
    CANDIDATE_RECOMMENDATIONS,
    write_lists,
)
from sparkperso.jobs.train_recommender.job import MODEL
from sparkperso.pipeline.job import Job
from sparkperso.platform.tracking import ModelVersion

CHAMPION, CANDIDATE = "champion", "candidate"


def write_candidate(job: Job, events: DataFrame, champion: ModelVersion | None) -> str | None:
    """Writes the lists of the model that experiments compare, and returns its version.

    None, and an empty table where there was one, when there is none. Raises as `compared_version`.
    """
    version = compared_version(job, champion)
    if version is None:
        old = job.lake.ref(CANDIDATE_RECOMMENDATIONS).read()
        if not old.isEmpty():
            job.writer(CANDIDATE_RECOMMENDATIONS).overwrite(old.limit(0))
        return None
    params = popularity_params(job, version)
    write_lists(job, events, version, params, CANDIDATE_RECOMMENDATIONS)
    return version.version


def compared_version(job: Job, champion: ModelVersion | None) -> ModelVersion | None:
    """Returns the version that experiments compare the champion with.

    None when no experiment that runs, or is going to, names another model, or the registry has no
    such version. Raises ConfigError where experiments name two: the serving store has room for one
    beside the champion.
    """
    at = now()
    named = {
        arm.model
        for one in load_experiments(job.conf_dir).values()
        if one.phase(at) in ("running", "scheduled")
        for arm in one.arms.values()
        if arm.model is not None
    }
    others = sorted(named - {CHAMPION, champion.version if champion else CHAMPION})
    if len(others) > 1:
        raise ConfigError(
            "Experiments that run compare the champion with one other model",
            f"They name {', '.join(others)}",
            "Stop one of them",
        )
    if not others:
        return None
    (name,) = others
    if name == CANDIDATE:
        version = job.tracking.by_alias(MODEL, CANDIDATE)
    else:
        version = job.tracking.by_version(MODEL, name)
    if version is None:
        job.say(f"There is no {name} in the registry: experiments on it stand still")
    elif champion is not None and version.version == champion.version:
        return None
    return version
