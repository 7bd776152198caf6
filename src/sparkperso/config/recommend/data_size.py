"""How large the data are, and at which sizes an entry of the search space is tried."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, model_validator

from sparkperso.core.section import Section


@dataclass(frozen=True)
class DataSize:
    """What training has to work on."""

    n_users: int
    """Users with a pair."""
    n_items: int
    """Items of the catalogue, with or without a pair."""
    n_pairs: int
    """Pairs of a user and an item."""

    @property
    def pairs_per_user(self) -> float:
        """Mean length of a history: how dense the data are."""
        return self.n_pairs / max(self.n_users, 1)


class Bounds(Section):
    """From where to where; both ends belong to it."""

    at_least: float | None = Field(default=None, ge=0)
    """Smallest value; None: any."""
    at_most: float | None = Field(default=None, ge=0)
    """Largest value; None: any."""

    @model_validator(mode="after")
    def _in_order(self) -> Bounds:
        if self.at_least is None and self.at_most is None:
            raise ValueError("it should have at_least, at_most or both")
        if None not in (self.at_least, self.at_most) and not self.hold(self.at_least or 0):
            raise ValueError("at_least should not exceed at_most")
        return self

    def hold(self, value: float) -> bool:
        """Returns whether a value lies within."""
        is_above = self.at_least is None or value >= self.at_least
        return is_above and (self.at_most is None or value <= self.at_most)


class When(Section):
    """The data that an entry of the search space is tried on; all that is given has to hold."""

    items: Bounds | None = None
    """Items of the catalogue."""
    users: Bounds | None = None
    """Users with a pair."""
    pairs: Bounds | None = None
    """Pairs of a user and an item."""
    pairs_per_user: Bounds | None = None
    """Mean length of a history."""

    def holds(self, size: DataSize) -> bool:
        """Returns whether data of this size are meant."""
        bounded = (
            (self.items, size.n_items),
            (self.users, size.n_users),
            (self.pairs, size.n_pairs),
            (self.pairs_per_user, size.pairs_per_user),
        )
        return all(bounds is None or bounds.hold(value) for bounds, value in bounded)
