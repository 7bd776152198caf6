"""All experiments as they are asked with every request: compiled once, at load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from math import prod
from typing import TypeAlias

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.decisions.assets import Assets
from sparkperso.decisions.facts import Facts
from sparkperso.experiments.assignment.assign import Assignment, Split, Units
from sparkperso.experiments.assignment.findings import Reach, reach_of
from sparkperso.experiments.assignment.shares import Shares
from sparkperso.rules.context import is_personal

Maker: TypeAlias = tuple[str | None, str | None]
"""Whose lists are shown, and how they are made; None where no experiment says."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What the experiments that somebody is in change, of all that is served."""

    shown: tuple[tuple[Assignment, Reach], ...] = ()
    """Those that change something, in the order of their names."""

    @property
    def contents(self) -> Mapping[str, str]:
        """Returns slot → content that it shows."""
        return {slot: name for one, _ in self.shown for slot, name in one.arm.content.items()}

    @property
    def switches(self) -> tuple[frozenset[str], frozenset[str]]:
        """Returns rules that are switched on, and off."""
        rules = [one.arm.rules for one, _ in self.shown if one.arm.rules]
        return (
            frozenset(name for each in rules for name in each.on),
            frozenset(name for each in rules for name in each.off),
        )

    @property
    def model(self) -> str | None:
        """Returns whose lists are shown; None where no experiment says."""
        return next((one.arm.model for one, _ in self.shown if one.arm.model), None)

    @property
    def strategy(self) -> str | None:
        """Returns how lists are made; None where no experiment says."""
        return next((one.arm.strategy for one, _ in self.shown if one.arm.strategy), None)

    def counted_in(self, slot: str, kind: str | None) -> tuple[Assignment, ...]:
        """Returns the experiments that count what is seen of a slot with a list of a kind.

        Whoever sees the baseline is in it as well; testers are not.
        """
        return tuple(
            one for one, reach in self.shown if one.is_counted and reach.touches(slot, kind)
        )

    def makers(self, slot: str, kind: str | None) -> Mapping[Maker, float]:
        """Returns what could have made a list of a kind in a slot, and how probably each.

        Empty where a variant that was drawn changes more of it than who makes it (rules, contents),
        or where nothing was drawn.
        """
        dealt = [
            one.drawn if one.is_counted and reach.touches(slot, kind) else ((1.0, one.arm),)
            for one, reach in self.shown
        ]
        drawn = [arm for arms in dealt if len(arms) > 1 for _, arm in arms]
        if not drawn or any(arm.rules or arm.content for arm in drawn):
            return {}
        found: dict[Maker, float] = {}
        for cell in product(*dealt):
            model = next((arm.model for _, arm in cell if arm.model), None)
            strategy = next((arm.strategy for _, arm in cell if arm.strategy), None)
            share = prod(share for share, _ in cell)
            found[model, strategy] = found.get((model, strategy), 0.0) + share
        return found


NO_TREATMENT = Treatment()


def variants_of(assignments: tuple[Assignment, ...]) -> dict[str, str]:
    """Returns experiment → variant."""
    return {one.experiment: one.variant for one in assignments}


def propensity_of(assignments: tuple[Assignment, ...]) -> float:
    """Returns the probability of these variants together: experiments are independent."""
    return prod(one.propensity for one in assignments) if assignments else 1.0


class Served:
    """The experiments that may change something that is served, as they are asked with it."""

    def __init__(self, splits: Iterable[tuple[Split, Reach]], assets: Assets) -> None:
        self._splits = tuple(splits)
        self.is_any = bool(self._splits)
        """Whether there is one."""
        self.asks_people = any(
            split.is_personal or _is_personal(reach, assets) for split, reach in self._splits
        )
        """Whether what is shown needs to know of segments and profiles."""

    def treatment(self, facts: Facts, units: Units) -> Treatment:
        """Returns what the experiments that a request is in change of it."""
        found = [(split.assign(facts, units), reach) for split, reach in self._splits]
        shown = [(one, reach) for one, reach in found if one.is_shown]
        return Treatment(tuple(shown)) if shown else NO_TREATMENT

    def on_list(self, slot: str, kind: str, assets: Assets) -> Served:
        """Returns those of them that may change a list of a kind in a slot ("" for none)."""
        return Served((one for one in self._splits if one[1].touches(slot, kind)), assets)


class ExperimentBook:
    """The experiments of conf/ that are running, or were."""

    def __init__(self, experiments: Mapping[str, Experiment], assets: Assets) -> None:
        """Takes experiments that were checked (`experiments.assignment.load`)."""
        self._known = {n: one for n, one in experiments.items() if one.status != "draft"}
        self._assets = assets
        self._models: frozenset[str] | None = None
        self._shares: Mapping[str, Shares] = {}
        self._make()

    def _make(self) -> None:
        self.splits = {
            name: Split(one, has_lists=self._has_lists(one), shares=self._shares.get(one.key))
            for name, one in self._known.items()
        }
        """Name → experiment that can be asked."""
        self.personal = frozenset(name for name, one in self.splits.items() if one.is_personal)
        """Names of those whose conditions need to know of segments and profiles."""
        served = [
            (split, reach_of(split.experiment, self._assets))
            for split in self.splits.values()
            if split.experiment.status == "running"
        ]
        served = [(split, reach) for split, reach in served if not reach.is_empty]
        self.served = Served(served, self._assets)
        """Those that change anything that is shown."""
        self._on_lists: dict[tuple[str, str], Served] = {}
        self.serves_models = any(
            arm.model for split, _ in served for arm in split.experiment.arms.values()
        )
        """Whether any compares models."""

    def has_models(self, models: Iterable[str]) -> None:
        """Says of which models the serving store has lists: experiments on others stand still."""
        known = frozenset(models)
        if known != self._models:
            self._models = known
            self._make()

    def has_shares(self, shares: Mapping[str, Shares]) -> None:
        """Says which shares the serving store has for bandits, by key: the others have weights."""
        if shares != self._shares:
            self._shares = shares
            self._make()

    def _has_lists(self, one: Experiment) -> bool:
        named = {arm.model for arm in one.arms.values() if arm.model}
        return self._models is None or named <= self._models

    def on_list(self, slot: str, kind: str) -> Served:
        """Returns those that may change a list of a kind in a slot ("" for none).

        Whatever others say of a request, they leave its list as it is, and do not count it.
        """
        found = self._on_lists.get((slot, kind))
        if found is None:
            found = self._on_lists[slot, kind] = self.served.on_list(slot, kind, self._assets)
        return found

    def running(self, at: datetime) -> list[Split]:
        """Returns those that are running at a time, by name."""
        return [split for split in self.splits.values() if split.is_running(at)]


def _is_personal(reach: Reach, assets: Assets) -> bool:
    rules = (assets.rules.get(name) for name in reach.rules)
    return any(rule and rule.if_ and is_personal(rule.if_) for rule in rules)
