"""promote-model: the candidate becomes champion if it proved better than popularity."""

from __future__ import annotations

from typing import Any

from sparkperso.errors import JobError
from sparkperso.jobs.command import run_step
from sparkperso.jobs.context import Job, Summary
from sparkperso.jobs.step import Step
from sparkperso.jobs.train_recommender import MODEL
from sparkperso.recommend.promotion import require_better


def promote_model(job: Job) -> Summary:
    """Points `champion` at the candidate; raises QualityGateError when it proved no better."""
    candidate = job.tracking.by_alias(MODEL, "candidate")
    if candidate is None:
        raise JobError(
            "There should be a candidate to promote",
            "None is registered",
            "Run 'sparkperso train-recommender' first",
        )
    document = candidate.document
    gains = require_better(document["test"], document["strategy"])
    job.tracking.set_alias(MODEL, "champion", candidate.version)
    return {
        "champion": f"version {candidate.version} ({document['strategy']})",
        **{f"gain over {name}": str(gain) for name, gain in gains.items()},
    }


# No inputs are named: what it depends on, the aliases of versions, are not tables.
STEP = Step(
    name="promote-model",
    action=promote_model,
)


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
