"""What is true of a simulated shop: what an analysis of its events should find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from sparkperso.simulation.behaviour import Outcome, expected_clicks, hero_effect
from sparkperso.simulation.world import Floats, World

Lists: TypeAlias = Sequence[Sequence[str]]
"""Person → items of their list, the first one on top."""


class Comparison(NamedTuple):
    """An experiment of data/simulation, and the metric whose lift is known."""

    experiment: str
    metric: str
    baseline: str
    treated: str


HERO_TEST: Final = Comparison("hero-offers", "hero_click_through", "greeting", "offers")
CHECKOUT_TEST: Final = Comparison("short-checkout", "checkout_completion", "usual", "short")
LISTS_TEST: Final = Comparison("personal-lists", "list_click_through", "popular", "personal")


@dataclass
class Seen:
    """What experiments counted as seen, and what should have come of it."""

    exposures: int = 0
    expected: float = 0.0
    """Clicks or orders, on the average over the draws of people."""

    @property
    def rate(self) -> float | None:
        """Returns clicks or orders per exposure; None without any."""
        return self.expected / self.exposures if self.exposures else None


@dataclass
class Tally:
    """What came of all visits, added up."""

    visits: int = 0
    events: Counter[str] = field(default_factory=Counter)
    """Type → number of events."""
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    """(experiment, variant) → what was seen of it."""
    people: dict[str, Counter[int]] = field(default_factory=dict)
    """Experiment → person → how often they saw it."""

    def add(self, outcome: Outcome) -> None:
        """Adds a visit."""
        self.visits += 1
        self.events.update(event["event_type"] for event in outcome.events)
        for one in outcome.expected:
            seen = self.seen.setdefault((one.experiment, one.variant), Seen())
            seen.exposures += 1
            seen.expected += one.value
            self.people.setdefault(one.experiment, Counter())[one.person] += 1


def best_click_through(world: World) -> float:
    """Returns the most clicks per list that any lists can have, over visits.

    Each person gets the items that they like most, in that order; people count by their visits.
    """
    attention = world.attention(world.config.list_length)
    best = -np.sort(-world.click_chances, axis=1)[:, : len(attention)]
    clicks: Floats = best @ attention[: best.shape[1]]
    return float(np.average(clicks, weights=world.people.visits))


def lists_lift(
    world: World, people: Mapping[int, int], treated: Lists, baseline: Lists
) -> float | None:
    """Returns the lift of clicks per list if all of these people had the one, or the other.

    `people`: person → how often they see a list. None where nobody sees any.
    """
    rates = [
        sum(n * expected_clicks(world, person, lists[person]) for person, n in people.items())
        for lists in (treated, baseline)
    ]
    return rates[0] / rates[1] - 1 if rates[1] else None


def hero_lift(world: World) -> float:
    """Returns the lift of the offers in the hero: of all people, by their visits and chances."""
    if not world.config.effects.hero_countries:
        return world.config.effects.hero
    effects = [hero_effect(world, person) for person in range(len(world.people.ids))]
    return float(np.average(effects, weights=world.people.visits * world.hero_chances))


def truth_of(world: World, tally: Tally, lists: float | None = None) -> dict[str, Any]:
    """Returns what is known of the shop, as JSON's values.

    `lists` is the lift of personal lists where it was computed for everybody (`lists_lift`);
    without it the lift of what was shown stands for it, in which the people of variants differ.
    """
    effects = world.config.effects
    tests = [
        _test(tally, HERO_TEST, hero_lift(world), "given"),
        _test(tally, CHECKOUT_TEST, effects.checkout, "given"),
    ]
    if LISTS_TEST.experiment in tally.people:
        tests.append(_test(tally, LISTS_TEST, lists, "tastes"))
    return {
        "seed": world.seed,
        "people": len(world.people.ids),
        "items": len(world.catalogue.ids),
        "experiments": {test.pop("experiment"): test for test in tests},
        "best_clicks_per_list": best_click_through(world),
        "expected": {
            "visits_per_day": float(world.people.visits.sum()),
            "share_of_yes": float(np.mean([one == "all" for one in world.people.answers])),
        },
        "visits": tally.visits,
        "events": dict(sorted(tally.events.items())),
    }


def _test(tally: Tally, test: Comparison, lift: float | None, source: str) -> dict[str, Any]:
    """What is known of an experiment: its lift, where that comes from, and what was shown."""
    seen = {
        variant: tally.seen.get((test.experiment, variant), Seen())
        for variant in (test.baseline, test.treated)
    }
    base, treated = (one.rate for one in seen.values())
    if lift is None:
        lift = treated / base - 1 if base and treated is not None else None
        source = "shown"
    variants = {
        variant: {"exposures": one.exposures, "expected": one.expected, "rate": one.rate}
        for variant, one in seen.items()
    }
    return {**test._asdict(), "lift": lift, "source": source, "variants": variants}
