"""The aliases of the recommender: which version is champion, which was before, and the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparkperso.core.errors import JobError
from sparkperso.jobs.train_recommender.job import MODEL
from sparkperso.pipeline.job import Job, Summary

if TYPE_CHECKING:
    from sparkperso.platform.tracking import MlflowRun, ModelVersion

CANDIDATE, CHAMPION, PREVIOUS = "candidate", "champion", "previous_champion"


def roll_back(job: Job) -> Summary:
    """Exchanges the champion and the one before, so that a second rollback undoes the first.

    Records it. Raises JobError when there is none before.
    """
    champion, previous = (job.tracking.by_alias(MODEL, alias) for alias in (CHAMPION, PREVIOUS))
    if previous is None or (champion is not None and champion.version == previous.version):
        raise JobError(
            "A rollback needs the champion before this one",
            f"No other version has the alias '{PREVIOUS}'",
            "One is kept from the second promotion on; until then there is nothing to return to",
        )
    reasons = f"asked for: from {named(champion)} to {named(previous)}"
    with job.tracking.run(job.name, f"rollback to version {previous.version}") as run:
        record(run, "rollback", {CHAMPION: champion, PREVIOUS: previous}, reasons, {})
        tag(job, previous, "rolled back to", run, reasons)
        if champion is not None:
            tag(job, champion, "rolled back from", run, reasons)
        point(job, {CHAMPION: previous, PREVIOUS: champion})
    return {"champion": named(previous), "before": named(champion)}


def record(
    run: MlflowRun,
    word: str,
    versions: Mapping[str, ModelVersion | None],
    reasons: str,
    content: Mapping[str, Any],
) -> None:
    """Logs a decision to its run: which versions it is about (as they were before), and why.

    `word` is what was decided (`accepted`, `refused`, `rollback`).
    """
    numbers = {alias: version and version.version for alias, version in versions.items()}
    run.log_params(numbers)
    run.set_tags({"decision": word, "reasons": reasons})
    document = {"decision": word, "reasons": reasons, "versions": numbers, **content}
    run.log_dict(document, "decision.json")


def tag(job: Job, version: ModelVersion, word: str, run: MlflowRun, reasons: str) -> None:
    """Tags a model version with what was last decided about it, why, and in which run."""
    tags = {"promotion": word, "promotion_run": run.run_id, "promotion_reasons": reasons}
    job.tracking.tag_version(MODEL, version.version, tags)


def point(job: Job, aliases: Mapping[str, ModelVersion | None]) -> None:
    """Points aliases at versions, in this order; one without a version stays where it is."""
    for alias, version in aliases.items():
        if version is not None:
            job.tracking.set_alias(MODEL, alias, version.version)


def named(version: ModelVersion | None) -> str:
    """Returns a version as text: its number and what kind of model it is; `none` without one."""
    if version is None:
        return "none"
    return f"version {version.version} ({version.document.get('strategy')})"
