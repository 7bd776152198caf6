"""What somebody does on a visit with what the shop shows: the events of it.

A probability is taste times the true effect of what is really shown, whoever decided that. Each
draw belongs to one thing that may happen (this item is clicked, this checkout becomes an order), so
that the same visit to another shop differs only where something else is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from sparkperso.simulation.calendar import Visit
from sparkperso.simulation.world import Floats, World

Event: TypeAlias = dict[str, Any]
"""The fields of an event, as clients send them."""
HERO, LIST, CHECKOUT = "hero", "picks", "checkout"
"""Places where something is shown; the first two are slots of conf/slots."""
OFFERS: Final = "offers"
"""Content of the hero with an effect on its clicks."""
SHORT: Final = "short"
"""Value of the checkout's flag with an effect on orders."""
CURRENCY: Final = "GBP"
STEP_SECONDS = 7
"""Between two things that somebody does on a visit."""


@dataclass(frozen=True)
class Shown:
    """What stands in one place."""

    decision_id: str | None = None
    content: str | None = None
    """content_id of a slot, value of a flag."""
    items: tuple[str, ...] = ()
    """item_ids of a list, the first one on top."""
    experiments: Mapping[str, str] = field(default_factory=dict)
    """Experiment → variant, of those that count what is seen of it."""


class ShopFront(Protocol):
    """What shows people something: the real services, or what stands for them."""

    def page(self, visit: Visit) -> Mapping[str, Shown]:
        """Returns slot → what it shows at the beginning of a visit."""

    def checkout(self, visit: Visit) -> Shown | None:
        """Returns which checkout somebody with a cart gets."""


class BareShop:
    """A shop that shows nothing: people find what they look for by themselves."""

    def page(self, visit: Visit) -> Mapping[str, Shown]:
        """Returns no slot."""
        return {}

    def checkout(self, visit: Visit) -> Shown | None:
        """Returns the checkout without any experiment."""
        return None


@dataclass(frozen=True)
class Expected:
    """What should come, on the average, of one thing that an experiment counted as seen."""

    experiment: str
    variant: str
    person: int
    value: float
    """Clicks, or orders."""


@dataclass
class Outcome:
    """What came of a visit."""

    events: list[Event] = field(default_factory=list)
    """In the order of their times."""
    expected: list[Expected] = field(default_factory=list)


def expected_clicks(world: World, person: int, items: Sequence[str]) -> float:
    """Returns how many items of a list a person clicks on the average. Unknown items get none."""
    return float(_click_chances(world, person, items).sum())


def hero_chance(world: World, person: int, content: str | None) -> float:
    """Returns the probability that a person clicks the hero that shows this content."""
    effect = hero_effect(world, person) if content == OFFERS else 0.0
    return float(world.hero_chances[person]) * (1 + effect)


def hero_effect(world: World, person: int) -> float:
    """Returns the lift of the offers in the hero on a person's clicks."""
    effects = world.config.effects
    return effects.hero_countries.get(world.people.countries[person], effects.hero)


def order_chance(world: World, flag: str | None) -> float:
    """Returns the probability that a checkout of this kind becomes an order."""
    effect = world.config.effects.checkout if flag == SHORT else 0.0
    return world.order_chance * (1 + effect)


def visit_shop(world: World, visit: Visit, front: ShopFront) -> Outcome:
    """Returns what comes of a visit to a shop.

    1. The page opens: what it shows is exposed, the hero may be clicked, and items of its list.
    2. Somebody looks at what they clicked, and at items that they find by themselves.
    3. What they looked at may go into the cart.
    4. With a cart they come to the checkout, which may become an order of all that is in it.
    """
    return _Walk(world, visit, front).walk()


class _Walk:
    """One visit, as it goes on."""

    def __init__(self, world: World, visit: Visit, front: ShopFront) -> None:
        self.world, self.visit, self.front = world, visit, front
        self.outcome, self._at, self._number = Outcome(), visit.at, 0
        people, person = world.people, visit.person
        self._common = {
            "user_id": people.ids[person],
            "anonymous_id": visit.browser,
            "session_id": f"visit-{visit.name}",
            "channel": "web",
            "context": {"device_type": visit.device, "country": people.countries[person]},
        }

    def walk(self) -> Outcome:
        """Goes through the visit. All draws are made at first, so that none depends on another."""
        world, person = self.world, self.visit.person
        random, n_items = self.visit.draws(world), len(world.catalogue.ids)
        of_hero, of_order = random.random(2)
        of_clicks, of_carts = random.random(n_items), random.random(n_items)
        found = random.random(random.poisson(world.config.own_views))
        self._add("page_view", metadata={"page": "home"})
        shown = self.front.page(self.visit)
        for slot, one in shown.items():
            self._expose(slot, one)
        self._click_hero(shown.get(HERO), of_hero)
        viewed = self._click_items(shown.get(LIST), of_clicks)
        viewed += [int(place) for place in np.searchsorted(world.interest[person], found)]
        cart = self._look_at(viewed, of_carts)
        self._step()
        self._add("dwell", metadata={"seconds": str(STEP_SECONDS * (1 + len(viewed)))})
        if cart:
            self._check_out(cart, of_order)
        return self.outcome

    def _click_hero(self, shown: Shown | None, draw: float) -> None:
        if shown is None or shown.content is None:
            return
        chance = hero_chance(self.world, self.visit.person, shown.content)
        self._expect(shown, chance)
        if draw < chance:
            self._step()
            self._add("click", metadata=_of_decision(HERO, shown))

    def _click_items(self, shown: Shown | None, draws: Floats) -> list[int]:
        """Clicks on a list; returns the indexes of the items, as they stand in it."""
        if shown is None or not shown.items:
            return []
        chances = _click_chances(self.world, self.visit.person, shown.items)
        self._expect(shown, float(chances.sum()))
        clicked = []
        for place, (name, chance) in enumerate(zip(shown.items, chances, strict=True), start=1):
            item = self.world.catalogue.index.get(name)
            if item is None or draws[item] >= chance:
                continue
            self._step()
            metadata = {**_of_decision(LIST, shown), "position": str(place)}
            self._add("click", item_id=name, metadata=metadata)
            clicked.append(item)
        return clicked

    def _look_at(self, viewed: Iterable[int], draws: Floats) -> list[int]:
        """Looks at each item once; returns those that went into the cart."""
        cart = []
        for item in dict.fromkeys(viewed):
            self._step()
            name = self.world.catalogue.ids[item]
            self._add("item_view", item_id=name)
            if draws[item] < self.world.cart_chances[self.visit.person, item]:
                self._step()
                self._add("add_to_cart", item_id=name)
                cart.append(item)
        return cart

    def _check_out(self, cart: Sequence[int], draw: float) -> None:
        self._step()
        shown = self.front.checkout(self.visit)
        self._add("page_view", metadata={"page": CHECKOUT})
        if shown is not None:
            self._expose(CHECKOUT, shown)
        chance = order_chance(self.world, shown.content if shown else None)
        if shown is not None:
            self._expect(shown, chance)
        if draw >= chance:
            return
        self._step()
        catalogue = self.world.catalogue
        for line, item in enumerate(cart, start=1):
            self._add(
                "purchase",
                item_id=catalogue.ids[item],
                value=float(catalogue.prices[item]),
                currency=CURRENCY,
                metadata={"order_id": f"order-{self.visit.name}", "line": str(line)},
            )

    def _expose(self, place: str, shown: Shown) -> None:
        """Says that something was seen: once for each experiment that counts it, else once."""
        seen = _of_decision(place, shown)
        for experiment, variant in shown.experiments.items():
            of_experiment = {"experiment": experiment, "variant": variant}
            self._add("exposure", metadata={**seen, **of_experiment})
        if not shown.experiments:
            self._add("exposure", metadata=seen)

    def _expect(self, shown: Shown, value: float) -> None:
        self.outcome.expected.extend(
            Expected(experiment, variant, self.visit.person, value)
            for experiment, variant in shown.experiments.items()
        )

    def _step(self) -> None:
        self._at += timedelta(seconds=STEP_SECONDS)

    def _add(self, event_type: str, **fields: Any) -> None:
        self._number += 1
        self.outcome.events.append(
            {
                # Named by seed and visit, so that a visit that is sent again is counted once.
                "event_id": f"simulated-{self.world.seed}-{self.visit.name}-{self._number}",
                "event_type": event_type,
                "timestamp": self._at,
                **self._common,
                **fields,
            }
        )


def _of_decision(place: str, shown: Shown) -> dict[str, str]:
    """The metadata of what was seen or clicked."""
    known = {"slot": place, "decision_id": shown.decision_id, "content_id": shown.content}
    return {name: value for name, value in known.items() if value is not None}


def _click_chances(world: World, person: int, items: Sequence[str]) -> Floats:
    """The probability of each place of a list that its item is seen and clicked."""
    index = world.catalogue.index
    places = np.array([index.get(name, -1) for name in items], dtype=np.intp)
    chances = np.where(places >= 0, world.click_chances[person, places], 0.0)
    return np.asarray(chances * world.attention(len(items)), dtype=np.float64)
