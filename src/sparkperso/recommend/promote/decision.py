"""Whether a candidate may become champion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sparkperso.config.recommend.section import RecommendConfig
from sparkperso.core.errors import QualityGateError
from sparkperso.recommend.promote.checks import (
    CHAMPION,
    POPULARITY,
    Check,
    check_champion,
    check_coverage,
    check_freshness,
    check_gain,
    check_metric,
    check_not_rolled_back,
    check_worst_bucket,
)
from sparkperso.recommend.promote.model_document import Document, MissingFieldError


@dataclass(frozen=True)
class Decision:
    """The checks of a candidate, in the order in which they are carried out; all must pass."""

    is_accepted: bool
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that refuse it."""
        return tuple(check for check in self.checks if not check.is_passed)

    @property
    def figures(self) -> dict[str, float]:
        """Check → what was held against its bound, for the checks on a number."""
        return {c.name: c.figure for c in self.checks if c.figure is not None}

    @property
    def reasons(self) -> str:
        """The failed checks with found and wanted; of an accepted candidate, all of them."""
        shown = self.failed or self.checks
        return "; ".join(f"{c.name}: {c.found} (wanted {c.wanted})" for c in shown)

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as plain values, for a document."""
        return {"is_accepted": self.is_accepted, "checks": [asdict(c) for c in self.checks]}


def decide(
    document: Document,
    champion: str | None,
    as_of: datetime,
    config: RecommendConfig,
    is_rolled_back: bool = False,
) -> Decision:
    """Returns the decision about a candidate, every check carried out whatever the others say.

    `document` is that of the candidate's registered version, `champion` the champion's version
    now (None: there is none), `as_of` the time that the job looks back from (naive UTC), `config`
    has the floors and the metric that decides now, `is_rolled_back` says whether a rollback left
    this version. What the document lacks fails the check that needs it, and raises nothing.
    """
    floors = config.promotion
    by_name: dict[str, Callable[[], Check]] = {
        "metric": lambda: check_metric(document, config.search.criterion.name),
        **{name: partial(check_gain, document, name) for name in POPULARITY},
        CHAMPION: lambda: check_champion(document, champion),
        "coverage": lambda: check_coverage(document, floors.min_coverage),
        "worst_bucket": lambda: check_worst_bucket(document, floors),
        "freshness": lambda: check_freshness(document, as_of, floors.max_age_days),
        "not_rolled_back": lambda: check_not_rolled_back(is_rolled_back),
    }
    # All of them, though one failure decides: who reads a refusal sees everything at once.
    checks = []
    for name, check in by_name.items():
        try:
            checks.append(check())
        except MissingFieldError as path:
            found = f"a document that lacks {path}"
            wanted = "it there: run 'sparkperso train-recommender' again"
            checks.append(Check(name, False, found, wanted))
    return Decision(all(check.is_passed for check in checks), tuple(checks))


def require_accepted(decision: Decision, candidate: str) -> None:
    """Raises QualityGateError with every failed check when the candidate is refused.

    `candidate` names it in the message.
    """
    if decision.is_accepted:
        return
    raise QualityGateError(
        f"The candidate, {candidate}, should pass all {len(decision.checks)} checks of promotion",
        f"{len(decision.failed)} failed: {decision.reasons}",
        "The champion stays; without one, lists stay as they are, or are popularity's where there "
        "are none. More or newer events, another search space (recommend.search) or other floors "
        "(recommend.promotion) may help",
    )
