"""Which variant of an experiment a unit is given, and why.

It follows from the unit's id, the seed and the shares alone, which are the weights, or of a bandit
those that were published (`assignment.shares`): nothing is remembered, and every
process, Spark (`experiments.columns`) and browsers (`web/src/experiments.ts`) say the same. The
hash and its ranges are those of version 2 of GrowthBook's SDKs, so that they do too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import JsonValue

from sparkperso.config.content.window import BEGINNING, END
from sparkperso.config.experiments.experiment import Experiment, LayerRange
from sparkperso.config.experiments.variants import Variant
from sparkperso.core.hashing import fnv32a, layer_share, share_after, share_of, variant_at
from sparkperso.decisions.compile import compile_condition
from sparkperso.decisions.facts import Facts
from sparkperso.experiments.assignment.shares import Shares, segment_of, usable_shares
from sparkperso.rules.context import is_personal

Reason = Literal[
    "split",
    "tester",
    "not_running",
    "no_consent",
    "no_unit",
    "other_layer",
    "not_targeted",
    "not_covered",
    "no_lists",
]
"""split: dealt out by the hash, and counted. Others are not: tester: its id stands in `overrides`;
not_running: it has not begun, or is over; no_consent: the person did not agree to personalisation;
no_unit: the request has no such id; other_layer: the unit is in another part of the layer;
not_targeted: `where` does not hold; not_covered: `coverage` leaves it out; no_lists: the serving
store has no lists of a model that is compared."""


class Units(NamedTuple):
    """The ids of a request, of which an experiment takes one."""

    user: str | None = None
    anonymous_id: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """What one unit is given of one experiment: one object for all that are given the same."""

    experiment: str
    """The experiment's key: its name, and its version from the second on."""
    variant: str
    reason: Reason
    value: JsonValue
    """What flags say: the variant's payload, or its name."""
    propensity: float
    """Probability that a unit which is in it is given this variant; 1 for others."""
    arm: Variant
    """What the variant changes; of who is not in it nothing is changed."""
    drawn: tuple[tuple[float, Variant], ...] = ()
    """What a unit that is in it could have been given, and how probably; () for others."""

    @property
    def is_counted(self) -> bool:
        """Says whether the unit belongs to those that are compared."""
        return self.reason == "split"

    @property
    def is_shown(self) -> bool:
        """Says whether the unit sees what the variant changes."""
        return self.reason in ("split", "tester")


class Split:
    """An experiment as it is asked with every request: made ready once."""

    def __init__(
        self, experiment: Experiment, *, has_lists: bool = True, shares: Shares | None = None
    ) -> None:
        """Takes an experiment whose condition is spelled; without `has_lists` nobody is in it.

        `shares` are those that were published for it, if it is a bandit.
        """
        self.experiment = experiment
        self.key, self._begun = experiment.key, fnv32a(experiment.hash_seed)
        self._coverage, self._layer = experiment.coverage, experiment.layer
        self._unit = experiment.unit
        self.shares = usable_shares(experiment, shares)
        """What units are dealt out by: segment, or `shares.EVERYBODY` → variant → share."""
        self._overrides = experiment.overrides
        self.has_lists = has_lists
        where = experiment.where
        self._test = compile_condition(where) if where is not None else None
        by = experiment.bandit.by if experiment.bandit else None
        self.is_personal = by is not None or (where is not None and is_personal(where))
        is_on = experiment.status == "running"
        self._start = (experiment.start or BEGINNING) if is_on else END
        self._end = experiment.end or END
        self._parts = {
            segment: (tuple(of.values()), self._dealt_out(of))
            for segment, of in self.shares.items()
        }
        self._testers = {name: self._made(name, "tester") for name in experiment.arms}
        self._out: dict[Reason, Assignment] = {}

    def is_running(self, at: datetime) -> bool:
        """Says whether anybody is given anything at a time."""
        return self._start <= at < self._end

    def assign(self, facts: Facts, units: Units) -> Assignment:
        """Returns what a request is given; the baseline, with the reason, where it is not in it.

        Consent is asked first: without it an id is not looked at.
        """
        unit = units.user if self._unit == "user" else units.anonymous_id
        if reason := self._reason_before(facts, unit):
            return self._not_in(reason)
        assert unit is not None
        if unit in self._overrides:
            return self._testers[self._overrides[unit]]
        if reason := self._reason_out(facts, unit):
            return self._not_in(reason)
        shares, counted = self._parts[segment_of(facts.segments, self._parts)]
        place = variant_at(share_after(self._begun, unit), shares, self._coverage)
        return self._not_in("not_covered") if place is None else counted[place]

    def _reason_before(self, facts: Facts, unit: str | None) -> Reason | None:
        """Why nobody's id need be looked at."""
        if not self._start <= facts.at < self._end:
            return "not_running"
        if not facts.may_personalise:
            return "no_consent"
        return None if unit else "no_unit"

    def _reason_out(self, facts: Facts, unit: str) -> Reason | None:
        """Why a unit is not among those that are dealt out."""
        if not self.has_lists:
            return "no_lists"
        if not in_layer(self._layer, unit):
            return "other_layer"
        return "not_targeted" if self._test is not None and not self._test(facts) else None

    def _not_in(self, reason: Reason) -> Assignment:
        found = self._out.get(reason)
        if found is None:
            found = self._out[reason] = self._made(self.experiment.control, reason)
        return found

    def _dealt_out(self, shares: Mapping[str, float]) -> tuple[Assignment, ...]:
        """Returns what units are dealt out to, in the order of the shares, by variant."""
        drawn = tuple((share, self.experiment.arms[name]) for name, share in shares.items())
        given = (self._made(name, "split", share) for name, share in shares.items())
        return tuple(replace(one, drawn=drawn) for one in given)

    def _made(self, name: str, reason: Reason, propensity: float = 1.0) -> Assignment:
        one = self.experiment
        return Assignment(self.key, name, reason, one.value(name), propensity, one.arms[name])


def place_of(
    experiment: Experiment, unit: str, shares: Mapping[str, float] | None = None
) -> int | None:
    """Returns the place of the arm that a unit is dealt out to, by layer, coverage and weights.

    In place of the weights a bandit has `shares`, by variant. None where it is out of the layer's
    part or of the coverage. Condition, consent and times are not looked at: it is what Spark and
    browsers compute.

    >>> halves = {"a": Variant(), "b": Variant()}
    >>> one = Experiment(name="seed", variants=halves)
    >>> place_of(one, "a"), place_of(one, "u6")
    (0, 1)
    """
    if not in_layer(experiment.layer, unit):
        return None
    share = share_of(experiment.hash_seed, unit)
    weights = [shares[name] for name in experiment.arms] if shares else experiment.weights
    return variant_at(share, weights, experiment.coverage)


def in_layer(layer: LayerRange | None, unit: str) -> bool:
    """Says whether a unit is in the part of a layer; without a layer every unit is."""
    if layer is None:
        return True
    start, end = layer.range
    return start <= layer_share(layer.name, unit) < end
