"""The form of conf/experiments/<name>.yaml: what is compared, for whom, and what it should move."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from sparkperso.config.content.window import Moment
from sparkperso.config.experiments.bandit import Bandit
from sparkperso.config.experiments.variants import Levels, Name, Variant, cells_of
from sparkperso.config.segments import NAME
from sparkperso.core.section import Section
from sparkperso.rules.conditions import Condition

EXPERIMENTS = "experiments"
"""The folder of conf/."""
SLOT_PREFIX = "slot-"
"""Before the name of a slot, in the name of its bandit."""
MOST_ARMS = 100
Unit = Literal["user", "anonymous_id"]
Status = Literal["draft", "running", "stopped"]
Phase = Literal["draft", "scheduled", "running", "ended", "stopped"]
Share = Annotated[float, Field(ge=0, le=1)]


class LayerRange(Section):
    """A part of a layer: experiments in parts that do not overlap share no unit."""

    name: Name
    """The layer's name, which is its seed."""
    range: tuple[Share, Share]
    """From, which belongs to it, to, which does not: parts of the whole, 0 to 1, in thousandths."""

    @model_validator(mode="after")
    def _is_a_range(self) -> LayerRange:
        start, end = self.range
        if start >= end:
            raise ValueError(f"the range should grow, from 0 to 1: {list(self.range)}")
        if any(abs(each * 1000 - round(each * 1000)) > 1e-9 for each in self.range):
            raise ValueError(f"the range should be in thousandths: {list(self.range)}")
        return self

    def overlaps(self, other: LayerRange) -> bool:
        """Says whether some unit may be in both."""
        (start, end), (other_start, other_end) = self.range, other.range
        return self.name != other.name or (start < other_end and other_start < end)


class Experiment(Section):
    """A comparison of variants on units that are dealt out by a hash.

    Raises ValueError (pydantic's ValidationError is one) for what contradicts itself. What other
    files say is held against it by `experiments.assignment.load`.
    """

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name."""
    hypothesis: str = ""
    """What is expected to happen, and why: what the report is read against."""
    status: Status = "draft"
    """`draft`: everybody gets what they get without it; `running`: from `start` until `end`;
    `stopped`: as a draft, for good."""
    unit: Unit = "user"
    """Which id is dealt out: `user`, the person's; `anonymous_id`, the browser's."""
    variants: dict[Name, Variant] = Field(default_factory=dict, max_length=MOST_ARMS)
    """Name → weight, or what it changes and its weight; in their order units are dealt out."""
    factors: dict[Name, Levels] = Field(default_factory=dict, max_length=6)
    """In place of variants: factor → levels, of which each combination is a variant."""
    bandit: Bandit | None = None
    """Has the shares of variants follow a metric; `weights` are those before anything is known."""
    baseline: str | None = None
    """The variant that others are compared with, and that is shown to whoever is not in it; the
    first one without."""
    coverage: float = Field(default=1.0, gt=0, le=1)
    """Part of the units that are in it; to raise it moves nobody."""
    where: Condition | None = None
    """Who may be in it: a condition as of conf/rules, on person and request."""
    layer: LayerRange | None = None
    """The part of a layer that it may use; without, all units, whatever else they are in."""
    start: Moment | None = None
    """When it begins."""
    end: Moment | None = None
    """When it is over; without, when `status` says so."""
    goals: tuple[Name, ...] = ()
    """Metrics of conf/metrics that it should move, the first above all."""
    guardrails: tuple[Name, ...] = ()
    """Metrics that it must not harm."""
    mde: float = Field(default=0.05, gt=0, le=10)
    """The least lift of the first goal that is worth finding: 0.05 is 5 % of the baseline's."""
    seed: str | None = Field(default=None, min_length=1, max_length=200)
    """What the hash is seeded with; `key` without: a new version is then dealt out anew."""
    version: int = Field(default=1, ge=1, le=10_000)
    """Raised for a change that would mix populations: what was counted before counts no more."""
    overrides: dict[Annotated[str, Field(min_length=1, max_length=512)], str] = Field(
        default_factory=dict, max_length=1000
    )
    """Id of a tester → variant. They are not counted."""

    @property
    def key(self) -> str:
        """Returns its name in decisions and exposures: each version is counted apart.

        >>> halves = {"a": Variant(), "b": Variant()}
        >>> [Experiment(name="hero", variants=halves, version=n).key for n in (1, 2)]
        ['hero', 'hero:2']
        """
        return self.name if self.version == 1 else f"{self.name}:{self.version}"

    @property
    def hash_seed(self) -> str:
        """Returns what the hash is seeded with."""
        return self.seed or self.key

    @cached_property
    def arms(self) -> dict[str, Variant]:
        """Returns what units are dealt out to: the variants, or the cells of the factors."""
        return cells_of(self.factors) if self.factors else self.variants

    @property
    def slot(self) -> str | None:
        """Returns the slot whose bandit it is; None for an experiment with a file of its own."""
        return self.name.removeprefix(SLOT_PREFIX) if self.name.startswith(SLOT_PREFIX) else None

    @property
    def control(self) -> str:
        """Returns the name of the baseline."""
        return self.baseline or next(iter(self.arms))

    @cached_property
    def weights(self) -> tuple[float, ...]:
        """Returns the arms' shares in their order; they add up to 1."""
        total = sum(arm.weight for arm in self.arms.values())
        return tuple(arm.weight / total for arm in self.arms.values())

    def share(self, arm: str) -> float:
        """Returns the share of the units in it that an arm has: the propensity of the arm."""
        return self.weights[list(self.arms).index(arm)]

    def value(self, arm: str) -> JsonValue:
        """Returns what flags say of an arm: its payload, or its name where no arm has one."""
        payload = self.arms[arm].payload
        return arm if payload is None else payload

    def phase(self, at: datetime) -> Phase:
        """Returns what it is at a time."""
        if self.status != "running":
            return self.status
        if self.start is not None and at < self.start:
            return "scheduled"
        return "ended" if self.end is not None and self.end <= at else "running"

    @model_validator(mode="after")
    def _is_consistent(self) -> Experiment:
        faults = [*self._faults_of_arms(), *self._faults_of_times(), *self._faults_of_bandit()]
        named = (*self.goals, *self.guardrails)
        if twice := _twice(named):
            faults.append(f"metric '{twice}' is named twice in goals and guardrails")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults_of_arms(self) -> list[str]:
        if bool(self.variants) == bool(self.factors):
            return ["give either variants or factors"]
        arms = self.arms
        if not 2 <= len(arms) <= MOST_ARMS:
            return [f"there should be 2 to {MOST_ARMS} variants, found {len(arms)}"]
        known, faults = ", ".join(arms), []
        if self.baseline is not None and self.baseline not in arms:
            faults.append(f"baseline '{self.baseline}' should be one of {known}")
        if unknown := sorted(set(self.overrides.values()) - set(arms)):
            faults.append(f"overrides name '{unknown[0]}', which is none of {known}")
        kinds = {_kind(arm.payload) for arm in arms.values()}
        if len(kinds) > 1:
            faults.append(
                f"payloads should be of one kind, in every variant or in none: {sorted(kinds)}"
            )
        return faults

    def _faults_of_times(self) -> list[str]:
        faults = []
        if self.status == "running" and self.start is None:
            faults.append("one that is running has a start")
        if self.start is not None and self.end is not None and self.end <= self.start:
            faults.append("start should lie before end")
        return faults

    def _faults_of_bandit(self) -> list[str]:
        bandit = self.bandit
        if bandit is None or not self.arms:
            return []
        faults, n = [], len(self.arms)
        if bandit.floor * n >= 1:
            faults.append(f"bandit: {n} variants with a floor of {bandit.floor:g} leave nothing")
        elif min(self.weights) < bandit.floor:
            faults.append(f"bandit: a variant's weight is below the floor of {bandit.floor:g}")
        if self.coverage < 1:
            faults.append(
                "coverage: shares of a bandit move, and so would who is in it: leave coverage "
                "out, and give it a part of a layer"
            )
        if bandit.by and self.unit != "user":
            faults.append("bandit: segments are of users, so that 'by' needs 'unit: user'")
        return faults


def _kind(payload: Any) -> str:
    if payload is None:
        return "none"
    if isinstance(payload, bool):
        return "boolean"
    if isinstance(payload, int | float):
        return "number"
    return "text" if isinstance(payload, str) else "object"


def _twice(names: Iterable[str]) -> str | None:
    return next((one for one, other in pairwise(sorted(names)) if one == other), None)
