"""What lists that were shown while the test ran tell of the models that it compares.

Models of the test know nothing later than its cut, so decisions after it are new to them: what
would each model's lists have earned in place of those that were shown?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import functions as F

from sparkperso.core.columns import USER_ID
from sparkperso.experiments.analysis.shown_lists import (
    ClickModel,
    decided_lists,
    is_drawn,
    judged_sums,
    read_sums,
    shown_lists,
)
from sparkperso.experiments.offpolicy.lists import ListValue, list_value
from sparkperso.pipeline.job import Job
from sparkperso.platform.frames import cached
from sparkperso.recommend.lists.tested_lists import TestedModels

DECISIONS, EVENTS = "silver/decisions", "silver/events"
METHOD = "doubly_robust"
"""The estimate that the closing line tells, since no log has all items at all places; all are in
MLflow."""


@dataclass
class OffPolicyTest:
    """Judges the models of a test by decisions, where there are any; `why` says where not."""

    job: Job
    values: dict[str, ListValue] = field(default_factory=dict)
    """Model → what its lists would have earned."""
    winner: str = ""
    why: str = ""

    def judge(self, tested: TestedModels) -> None:
        """Judges all models by the lists that were shown after the test's cut.

        Only lists that were drawn (propensities below 1) tell what others would have earned; where
        none was, the overlap alone is told. silver/decisions is read once.
        """
        self.winner = tested.winner
        job, config = self.job, self.job.settings.recommend
        ref, own = job.lake.ref(DECISIONS), config.off_policy
        if not own.enabled:
            self._not("recommend.off_policy.enabled is off")
            return
        if not ref.exists():
            self._not(f"there is no {DECISIONS}")
            return
        k, n_groups = tested.test.k, config.bootstrap.n_buckets
        decided = decided_lists(job.read(DECISIONS), own.slots, k, tested.span)
        shown = shown_lists(decided, job.read(EVENTS), own.rewards, n_groups, tested.span)
        with cached(shown) as kept:
            n, n_drawn = kept.agg(F.count(F.lit(1)), F.count_if(is_drawn())).collect()[0]
            if not n:
                self._not(f"{DECISIONS} has no list that a user was shown after the test's cut")
                return
            lists = kept.where(is_drawn()) if n_drawn else kept
            judged = tested.lists_of(lists.select(USER_ID).distinct())
            expected = ClickModel.fitted(lists, k).expect(judged, n_groups)
            table = judged_sums(lists, expected).toArrow()
        sums = read_sums(table, n_groups, k)
        if not sums:
            self._not("no list that was shown is of a user whom the models know")
            return
        self.values = {
            name: list_value(
                one,
                is_drawn=bool(n_drawn),
                n_resamples=config.bootstrap.n_resamples,
                level=config.bootstrap.level,
                seed=config.seed,
            )
            for name, one in sums.items()
        }
        best = self.values[self.winner]
        job.say(
            f"off-policy: {best.n:,} of {n:,} lists that were shown after the test's cut judge "
            f"{len(self.values)} models; {self.winner}: {best.status}"
        )

    def metrics(self) -> dict[str, float]:
        """Returns `test_<model>_offpolicy_<figure>`, and the winner's as `offpolicy_<figure>`."""
        figures = {
            f"test_{model}_offpolicy_{name}": value
            for model, one in self.values.items()
            for name, value in one.metrics().items()
        }
        if self.winner in self.values:
            best = self.values[self.winner].metrics()
            figures |= {f"offpolicy_{name}": value for name, value in best.items()}
        return figures

    def tags(self) -> dict[str, str]:
        """Returns `offpolicy_status`, the winner's, and each model's own under its name."""
        if not self.values:
            return {}
        own = {f"offpolicy_status_{model}": one.status for model, one in self.values.items()}
        return {"offpolicy_status": self.values[self.winner].status, **own}

    def as_dict(self) -> Mapping[str, Any]:
        """Returns everything as plain values, for the model's document; {} without decisions."""
        return {model: one.as_dict() for model, one in self.values.items()}

    def summary(self) -> dict[str, str]:
        """Returns what to print: `off-policy <model>`, its value and interval, or its status."""
        return {f"off-policy {model}": _told(one) for model, one in self.values.items()}

    def _not(self, why: str) -> None:
        self.why = why
        self.job.say(f"off-policy: nothing is estimated, since {why}")


def _told(one: ListValue) -> str:
    value, low, high = one.values.get(METHOD, (None, None, None))
    if value is None or low is None or high is None:
        return one.status
    return f"{value:.4f} [{low:.4f}, {high:.4f}] {one.status}"
