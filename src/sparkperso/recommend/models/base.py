"""What every fitted model is: item-sized arrays that score any user from their history.

None holds anything per user. So a fitted model is as large as the catalogue, however many users
there are, it fits into a task, and it scores users that it has never seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Floats, Ints, Singles
from sparkperso.recommend.kernels.score_blocks import above_zero

Arrays = Mapping[str, npt.NDArray[Any]]
"""A fitted model as named arrays of numbers or text: what is stored, instead of a pickle."""


@dataclass(frozen=True)
class Explanation:
    """Why some items have their scores, for one user: base + Σ contributions = score."""

    named: Mapping[str, Floats]
    """What does not come from the user's history, per item, by where it comes from:
    `popular:<scope>`, or `profile`, what users with the same attributes like."""
    contributions: Floats
    """Items of the history (in order of the user's likes) × items to explain."""

    @property
    def base(self) -> Floats:
        """Per item: all that does not come from the user's history."""
        return sum(self.named.values(), np.zeros(self.contributions.shape[1]))


Explainer = Callable[[int, Ints], Explanation]
"""(row of a user, items) → why they have their scores."""


class Scorer(Protocol):
    """What lists can be made with."""

    def scores(self, users: Histories) -> Singles:
        """Returns users × items, float32; higher is better, -inf where the model knows nothing.

        A user's row does not depend, to the bit, on the other users of the block. The array may be
        a view of what the model holds: copy it before changing it.
        """


@runtime_checkable
class Fitted(Scorer, Protocol):
    """A fitted model: it scores, gives reasons, and can be stored."""

    def explainer(self, users: Histories) -> Explainer:
        """Returns a function that explains scores of users of this block.

        What it returns adds up to the score, but for rounding, wherever the score is finite.
        """

    def arrays(self) -> Arrays:
        """Returns all that the model is besides its settings: numbers or text, by name."""


@dataclass(frozen=True)
class Scored:
    """A block of users, scored once: what lists are chosen from, and why."""

    scores: Singles
    """As `Scorer.scores` gives them."""
    explain: Explainer


@runtime_checkable
class ScoredOnce(Protocol):
    """A fitted model whose reasons follow from the scores, such as a blend."""

    def scored(self, users: Histories) -> Scored:
        """Returns what `scores` and `explainer` do, worked out together."""


def scored(model: Fitted, users: Histories) -> Scored:
    """Returns scores and reasons of a block; what both need is worked out once."""
    if isinstance(model, ScoredOnce):
        return model.scored(users)
    return Scored(model.scores(users), model.explainer(users))


class Model(Protocol):
    """How one kind of model is fitted, and read back from its arrays."""

    def fit(self, params: Any, users: Histories, catalogue: Catalogue, fit: FitSetting) -> Fitted:
        """Returns the model fitted on these users' histories."""

    def load(self, params: Any, arrays: Arrays) -> Fitted:
        """Returns the model that gave these arrays."""


@dataclass(frozen=True)
class FitSetting:
    """What fitting depends on besides the candidate's settings."""

    seed: int = 42
    threads: int = 1
    """Threads that a fit may use; no result depends on it."""
    max_item_pairs: int = 10_000
    """Largest catalogue, in items, that models of items × items are fitted on."""
    max_user_items: int = 2_000
    """Latest items of a user that models are fitted on."""
    watch: Callable[[int, Fitted], bool] | None = None
    """Called after each iteration of an iterative model with its number and the model so far;
    returns False to stop."""


def nothing_where_zero(scores: Singles) -> Singles:
    """Returns the scores, -inf where they are not above 0; changes them in place.

    For models whose 0 means that nothing is known: else a list would be filled up with items in
    order of their position.
    """
    above_zero(scores, np.ones(scores.shape[1], dtype=np.float32), scores)
    return scores
