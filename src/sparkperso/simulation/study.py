"""A whole simulation within the process, and what the suite's statistics find in it.

For benchmarks and tests of many shops: the sums of units are counted as the metrics of
data/simulation say, without a lake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.experiments.statistics.comparison import ratios
from sparkperso.experiments.statistics.estimate import Estimate
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.simulation.behaviour import HERO, LIST, Event, ShopFront, visit_shop
from sparkperso.simulation.calendar import visits_of_day
from sparkperso.simulation.direct import DirectShop
from sparkperso.simulation.truth import CHECKOUT_TEST, HERO_TEST, LISTS_TEST, Comparison, Tally
from sparkperso.simulation.world import World

TESTS: Mapping[str, Comparison] = {
    test.experiment: test for test in (HERO_TEST, CHECKOUT_TEST, LISTS_TEST)
}
SLOTS: Mapping[str, Comparison] = {HERO: HERO_TEST, LIST: LISTS_TEST}
"""Slot → the experiment whose metric counts its clicks."""


@dataclass
class UnitSums:
    """Of one person in one experiment."""

    variant: str
    seen: int = 0
    done: int = 0
    """Clicks, or orders, from the first time on that it was seen."""


@dataclass
class Study:
    """What was seen and done, by experiment and person."""

    tally: Tally = field(default_factory=Tally)
    units: dict[Comparison, dict[str, UnitSums]] = field(default_factory=dict)

    def add_event(self, event: Event) -> None:
        """Counts an event as the metrics of data/simulation do."""
        metadata, person = event.get("metadata", {}), event["user_id"]
        kind = event["event_type"]
        if kind == "exposure" and metadata.get("experiment") in TESTS:
            units = self.units.setdefault(TESTS[metadata["experiment"]], {})
            units.setdefault(person, UnitSums(metadata["variant"])).seen += 1
        elif kind == "click" and metadata.get("slot") in SLOTS:
            self._count(SLOTS[metadata["slot"]], person)
        elif kind == "purchase" and metadata["line"] == "1":
            self._count(CHECKOUT_TEST, person)

    def _count(self, test: Comparison, person: str) -> None:
        unit = self.units.get(test, {}).get(person)
        if unit is not None:
            unit.done += 1

    def estimate(self, experiment: str, significance_level: float = 0.05) -> Estimate:
        """Returns what the delta method finds for an experiment, treated against baseline."""
        test, arms = TESTS[experiment], []
        for variant in (test.treated, test.baseline):
            units = [one for one in self.units.get(test, {}).values() if one.variant == variant]
            arms.append(Moments.from_rows([one.done for one in units], [one.seen for one in units]))
        return ratios(arms[0], arms[1], significance_level=significance_level)


def run_study(world: World, front: ShopFront, days: int, start: datetime) -> Study:
    """Returns what comes of so many days of a shop."""
    study = Study()
    for day in range(days):
        for visit in visits_of_day(world, day, start):
            outcome = visit_shop(world, visit, front)
            study.tally.add(outcome)
            for event in outcome.events:
                study.add_event(event)
    return study


def direct_study(
    world: World, experiments: Sequence[Experiment], days: int, start: datetime
) -> Study:
    """Returns the same of a shop front within the process."""
    return run_study(world, DirectShop(world, experiments), days, start)
