"""Who comes to the shop, when, and by which device: decided before anything is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np

from sparkperso.simulation.world import Floats, World

VISITS = 3
"""The stream of random numbers of visits."""
MOST_HISTORY = 1_000
"""Days before the first one are numbered back to this."""
DAY_SECONDS = 86_400
VISIT_SECONDS = 1_800
"""A visit ends before its day does, so that a day's events are all on that day."""


@dataclass(frozen=True)
class Visit:
    """Somebody comes to the shop. Its draws are its own, whatever others do and are shown."""

    person: int
    """Index of the person."""
    day: int
    """Day of the simulation: from 0 on something is shown, negative ones are history."""
    number: int
    """Which of the person's visits of that day, from 0 on."""
    at: datetime
    device: str
    """Type of device."""
    browser: str
    """The device's anonymous id."""

    def draws(self, world: World) -> np.random.Generator:
        """Returns the random numbers of this visit: the same ones each time."""
        day = self.day + MOST_HISTORY
        return np.random.default_rng((world.seed, VISITS, day, self.person, self.number))

    @property
    def name(self) -> str:
        """Returns a name that no other visit of the simulation has."""
        return f"{self.person}-{self.day}-{self.number}"


def visits_of_day(world: World, day: int, start: datetime) -> list[Visit]:
    """Returns the visits of a day in the order of their times.

    Each person's number of them is Poisson's; times go up and down with the hours. `start` is the
    midnight that day 0 begins at; days before it are negative.
    """
    random = np.random.default_rng((world.seed, VISITS, day + MOST_HISTORY))
    people = world.people
    counts = random.poisson(people.visits)
    begins = start.astimezone(timezone.utc) + timedelta(days=day)
    seconds = _seconds(random, int(counts.sum()))
    devices = random.random(int(counts.sum()))
    visits, place = [], 0
    for person in np.flatnonzero(counts):
        owned = people.devices[person]
        times = sorted(seconds[place : place + counts[person]])
        for number, second in enumerate(times):
            # The first of two is the one that somebody mostly comes with.
            which = 0 if len(owned) == 1 or devices[place + number] < 0.7 else 1
            at = begins + timedelta(seconds=float(second))
            name = f"browser-{person:06d}-{which}"
            visits.append(Visit(int(person), day, number, at, owned[which], name))
        place += counts[person]
    visits.sort(key=lambda visit: (visit.at, visit.person, visit.number))
    return visits


def _seconds(random: np.random.Generator, n: int) -> Floats:
    """Seconds of a day, whole ones: few at night, most in the evening (a Beta distribution)."""
    return np.floor(random.beta(3.0, 2.0, n) * (DAY_SECONDS - VISIT_SECONDS))
