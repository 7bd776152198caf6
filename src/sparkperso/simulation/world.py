"""The items and people of a simulated shop, and what each of them likes: hidden from the shop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from sparkperso.config.experiments.simulation import LARGEST_EFFECT, SimulationConfig
from sparkperso.core.errors import UsageError

Floats: TypeAlias = npt.NDArray[np.float64]
Indexes: TypeAlias = npt.NDArray[np.intp]
Answer = Literal["all", "analytics", "nothing", "none"]
"""What a person answers the banner; `none`: never anything."""
Name = TypeVar("Name", bound=str)
ITEMS, PEOPLE = 1, 2
"""Streams of random numbers: more people change no item."""
MOST_PAIRS = 20_000_000
HIGHEST = 1 / (1 + LARGEST_EFFECT)
"""Probabilities that effects multiply are at most this: with the largest effect they are still
probabilities, and lifts are exact."""


@dataclass(frozen=True)
class Catalogue:
    """Items in order of their index."""

    ids: tuple[str, ...]
    categories: Indexes
    prices: Floats
    """In pounds."""
    vectors: Floats
    """Shape (item, dimension)."""
    popularity: Floats
    """What everybody likes about an item, of standard deviation 1."""

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Returns item_id → index."""
        return {name: place for place, name in enumerate(self.ids)}


@dataclass(frozen=True)
class People:
    """People in order of their index."""

    ids: tuple[str, ...]
    vectors: Floats
    """Shape (person, dimension)."""
    visits: Floats
    """Visits per day, expected."""
    devices: tuple[tuple[str, ...], ...]
    """Types of devices of each."""
    countries: tuple[str, ...]
    answers: tuple[Answer, ...]
    eagerness: Floats
    """How readily somebody clicks the hero, as a logarithm."""


@dataclass(frozen=True)
class World:
    """A shop of people and items; all that is random about who they are comes from the seed."""

    config: SimulationConfig
    seed: int
    catalogue: Catalogue
    people: People

    @cached_property
    def scores(self) -> Floats:
        """Returns how much more each person likes each item than the average, as a logit.

        Shape (person, item).
        """
        tastes, items = self.config.tastes, self.catalogue
        affinity = self.people.vectors @ items.vectors.T
        return tastes.affinity * affinity + tastes.popularity * items.popularity[None, :]

    @cached_property
    def click_chances(self) -> Floats:
        """Returns the probability that a person clicks an item of a list, once it is seen."""
        return chance(self.config.probabilities.click, self.scores)

    @cached_property
    def cart_chances(self) -> Floats:
        """Returns the probability that a person who looks at an item puts it into the cart."""
        return chance(self.config.probabilities.cart, self.scores / 2)

    @cached_property
    def interest(self) -> Floats:
        """Returns, of each person, cumulative shares of the items that they look for themselves."""
        weights = np.exp(self.scores)
        shares: Floats = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
        return shares

    @cached_property
    def hero_chances(self) -> Floats:
        """Returns the probability of each person to click the hero, without any effect."""
        chances = self.config.probabilities.hero * np.exp(self.people.eagerness)
        return np.minimum(chances, HIGHEST)

    @property
    def order_chance(self) -> float:
        """Returns the probability that a checkout becomes an order, without any effect."""
        return min(self.config.probabilities.order, HIGHEST)

    def attention(self, n: int) -> Floats:
        """Returns the probability that each of `n` places of a list is seen."""
        return 1 / (1 + self.config.probabilities.looks_down * np.arange(n))


def make_world(config: SimulationConfig, n_people: int, n_items: int, seed: int) -> World:
    """Returns a shop; the same for the same arguments.

    Raises UsageError for an empty one, and for one that is too large for memory.
    """
    if n_people < 1 or n_items < 2:
        raise UsageError(
            "A shop has people, and two items or more", f"{n_people} people, {n_items} items"
        )
    if n_people * n_items > MOST_PAIRS:
        raise UsageError(
            f"People times items should be at most {MOST_PAIRS:,}: tastes are held in memory",
            f"{n_people:,} people, {n_items:,} items",
        )
    of_items, of_people = (np.random.default_rng((seed, stream)) for stream in (ITEMS, PEOPLE))
    return World(
        config, seed, _catalogue(config, n_items, of_items), _people(config, n_people, of_people)
    )


def chance(average: float, scores: Floats) -> Floats:
    """Returns probabilities whose logits are those of the average plus a score.

    >>> chance(0.5, np.array([0.0, 1.0])).round(3).tolist()
    [0.5, 0.731]
    """
    middle = np.log(average / (1 - average))
    chances: Floats = 1 / (1 + np.exp(-(middle + scores)))
    return chances


def _catalogue(config: SimulationConfig, n: int, random: np.random.Generator) -> Catalogue:
    tastes = config.tastes
    centres = random.standard_normal((tastes.categories, tastes.dimensions))
    categories = random.integers(0, tastes.categories, n)
    own = random.standard_normal((n, tastes.dimensions))
    # Half of what an item is, is its category's; the variance of each part stays 1.
    vectors = np.sqrt(0.5) * centres[categories] + np.sqrt(0.5) * own
    return Catalogue(
        tuple(f"item-{place:05d}" for place in range(n)),
        categories,
        np.asarray(np.round(np.exp(random.normal(2.5, 0.6, n)), 2), dtype=np.float64),
        vectors / np.sqrt(tastes.dimensions),
        random.standard_normal(n),
    )


def _people(config: SimulationConfig, n: int, random: np.random.Generator) -> People:
    spread = config.visits_spread
    vectors = random.standard_normal((n, config.tastes.dimensions))
    # Less half the variance, so that the mean over people is what is configured.
    visits = config.visits_per_day * np.exp(random.normal(-spread * spread / 2, spread, n))
    first, second = (_drawn(config.devices, n, random) for _ in range(2))
    has_two = random.random(n) < 0.3
    shares = config.consent
    never = max(1 - shares.all - shares.analytics - shares.nothing, 0.0)
    answers: dict[Answer, float] = {
        "all": shares.all,
        "analytics": shares.analytics,
        "nothing": shares.nothing,
        "none": never,
    }
    return People(
        tuple(f"person-{place:06d}" for place in range(n)),
        vectors,
        visits,
        tuple(
            (one, other) if both and one != other else (one,)
            for one, other, both in zip(first, second, has_two, strict=True)
        ),
        tuple(_drawn(config.countries, n, random)),
        tuple(_drawn(answers, n, random)),
        random.normal(0, 0.4, n),
    )


def _drawn(weights: Mapping[Name, float], n: int, random: np.random.Generator) -> list[Name]:
    names = list(weights)
    shares = np.array([weights[name] for name in names])
    places = random.choice(len(names), n, p=shares / shares.sum())
    return [names[place] for place in places]
