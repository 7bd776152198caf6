"""A shop front within the process: experiments are dealt out by the same hash, lists are made up.

It stands for the services where their answers are not what is looked at: thousands of shops in a
benchmark, or the laws of the user model in a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.experiments.assignment.assign import place_of
from sparkperso.experiments.assignment.shares import (
    EVERYBODY,
    Shares,
    segment_of,
    usable_shares,
)
from sparkperso.simulation.behaviour import CHECKOUT, HERO, LIST, Shown
from sparkperso.simulation.calendar import Visit
from sparkperso.simulation.world import Floats, World

LISTS = 4
"""The stream of random numbers of lists."""


class DirectShop:
    """Shows what variants say, to whoever agreed to personalisation."""

    def __init__(
        self, world: World, experiments: Sequence[Experiment], *, knowledge: float = 0.7
    ) -> None:
        """Takes a shop whose personal lists know so much of what people like.

        `knowledge` is the correlation of what is estimated with the truth: 1 makes lists that
        nothing can be better than.
        """
        self._world, self._experiments = world, experiments
        random = np.random.default_rng((world.seed, LISTS))
        noise = random.standard_normal(world.scores.shape) * world.scores.std()
        rest = np.sqrt(1 - knowledge * knowledge)
        guesses = knowledge * world.scores + rest * noise
        n = world.config.list_length
        self.personal = self._best(guesses, n)
        """Person → items of the list that is made for them."""
        self.popular = self._best(world.click_chances.mean(axis=0)[None, :], n)[0]
        """Items of the list of whoever has none."""
        self._given: dict[tuple[str, int], str | None] = {}
        self._shares: dict[str, Shares] = {}

    def publish(self, shares: Mapping[str, Shares]) -> None:
        """Has bandits deal out by these shares from now on, by key, as a new version does."""
        self._shares, self._given = dict(shares), {}

    def segment(self, experiment: Experiment, person: int) -> str:
        """Returns the segment of a person that a bandit tells apart: their country."""
        is_apart = experiment.bandit is not None and experiment.bandit.by is not None
        return self._world.people.countries[person] if is_apart else EVERYBODY

    def page(self, visit: Visit) -> Mapping[str, Shown]:
        """Returns hero and list, by the experiments on them."""
        content, counted = "welcome", {}
        strategy, of_list = "personal", {}
        is_allowed = self._may_personalise(visit.person)
        for one in self._experiments:
            variant = self._variant(one, visit.person) if is_allowed else None
            if variant is None:
                continue
            arm = one.arms[variant]
            if any(each.content for each in one.arms.values()):
                content, counted[one.key] = arm.content.get(HERO, content), variant
            if any(each.strategy or each.model for each in one.arms.values()):
                strategy, of_list[one.key] = arm.strategy or strategy, variant
        own = is_allowed and strategy == "personal"
        items = self.personal[visit.person] if own else self.popular
        return {
            HERO: Shown(f"{visit.name}-hero", content, (), counted),
            LIST: Shown(f"{visit.name}-list", "list", items, of_list),
        }

    def checkout(self, visit: Visit) -> Shown | None:
        """Returns the flag of the first experiment with payloads."""
        for one in self._experiments:
            if not any(arm.payload for arm in one.arms.values()):
                continue
            if not self._may_personalise(visit.person):
                return Shown(content=str(one.value(one.control)))
            variant = self._variant(one, visit.person)
            if variant is not None:
                decision = f"{visit.name}-{CHECKOUT}"
                return Shown(decision, str(one.value(variant)), (), {one.key: variant})
        return None

    def _may_personalise(self, person: int) -> bool:
        return self._world.people.answers[person] == "all"

    def _variant(self, experiment: Experiment, person: int) -> str | None:
        key = (experiment.key, person)
        if key not in self._given:
            own = usable_shares(experiment, self._shares.get(experiment.key))
            segment = segment_of(frozenset({self.segment(experiment, person)}), own)
            place = place_of(experiment, self._world.people.ids[person], own[segment])
            self._given[key] = None if place is None else list(experiment.arms)[place]
        return self._given[key]

    def _best(self, scores: Floats, n: int) -> list[tuple[str, ...]]:
        """The item_ids of the n highest scores of each row."""
        ids = self._world.catalogue.ids
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
        return [tuple(ids[place] for place in row) for row in order]
