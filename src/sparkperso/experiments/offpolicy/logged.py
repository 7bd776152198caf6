"""Logged decisions as arrays: what was earned, how probable the choice was, and would be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sparkperso.core.errors import UsageError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LoggedDecisions:
    """Decisions of a policy that drew its choices, seen from a policy to be judged; arrays (n,).

    `rewards`: what each choice earned. `propensities`: the probability with which the logging
    policy made it, above 0. `targets`: that of the policy to be judged for the same choice in the
    same circumstances; 0 where it would never. `predicted`: the reward that a model expects of
    the choice, `predicted_target`: of what the policy to be judged would choose, on average; both
    or neither, and the model has not seen these rewards. `groups`: a number per user, whose
    decisions go together; without, each counts for itself. `clip`: no weight above it.

    Raises UsageError for arrays that do not fit or are no probabilities.
    """

    rewards: Floats
    propensities: Floats
    targets: Floats
    predicted: Floats | None = None
    predicted_target: Floats | None = None
    groups: Integers | None = None
    clip: float | None = None

    def __post_init__(self) -> None:
        given = {name: v for name, v in vars(self).items() if isinstance(v, np.ndarray)}
        shapes = {values.shape for values in given.values()}
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            found = ", ".join(f"{name} {values.shape}" for name, values in given.items())
            raise UsageError("Logged decisions are arrays of one length", found, "Cut them alike")
        if (self.predicted is None) != (self.predicted_target is None):
            raise UsageError(
                "A model predicts both what was chosen and what would be",
                "One of predicted and predicted_target",
                "Give both, or neither",
            )
        bad = {
            "propensities above 0, at most 1": (self.propensities > 0) & (self.propensities <= 1),
            "targets from 0 to 1": (self.targets >= 0) & (self.targets <= 1),
        }
        for expected, is_good in bad.items():
            if not is_good.all():
                raise UsageError(
                    f"Logged decisions have {expected}",
                    f"{int((~is_good).sum()):,} of {len(is_good):,} are not",
                    "Leave out decisions without a known probability",
                )
        if self.clip is not None and not self.clip > 0:
            raise UsageError("Weights are clipped above 0", f"Found {self.clip}", "Take 10")

    def __len__(self) -> int:
        return len(self.rewards)

    @cached_property
    def raw_weights(self) -> Floats:
        """Target ÷ propensity: how much more often the judged policy makes this choice."""
        return self.targets / self.propensities

    @cached_property
    def weights(self) -> Floats:
        """The same, clipped."""
        return self.raw_weights if self.clip is None else np.minimum(self.raw_weights, self.clip)

    @property
    def clipped_share(self) -> float:
        """The share of decisions whose weight is clipped; 0 without decisions."""
        return float((self.weights < self.raw_weights).mean()) if len(self) else 0.0

    @property
    def effective_sample_size(self) -> float:
        """How many unweighted decisions say as much: (Σ w)² ÷ Σ w² (Kish 1965); 0 without any."""
        squares = float(self.weights @ self.weights)
        return float(self.weights.sum()) ** 2 / squares if squares else 0.0
