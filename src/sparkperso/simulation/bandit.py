"""A bandit on the hero of a shop within the process: what it misses, day by day.

Shares are set at the end of each day from its trials, by the code that `analyze-experiments` sets
them with, and dealt out from the next day on by the hash that services deal out with.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.experiments.assignment.shares import EVERYBODY, Shares
from sparkperso.experiments.bandits.shares import TrialSums, share_rows
from sparkperso.simulation.behaviour import HERO, OFFERS, Outcome, hero_chance, visit_shop
from sparkperso.simulation.calendar import visits_of_day
from sparkperso.simulation.direct import DirectShop
from sparkperso.simulation.world import Floats, World

NAME: Final = "hero-bandit"


@dataclass(frozen=True)
class BanditRun:
    """Clicks on the hero that were missed against showing each person what is best for them.

    `regret` (days,): expected clicks, up to the end of each day. `uniform`: the same of equal
    shares, on the same visits. `shares`: those after the last day.
    """

    regret: Floats
    uniform: Floats
    shares: Shares


def hero_bandit(start: datetime, *, by_country: bool = False, floor: float = 0.05) -> Experiment:
    """Returns a bandit that chooses between greeting and offers; by country, if it is to be."""
    return Experiment.model_validate(
        {
            "name": NAME,
            "status": "running",
            "start": start,
            "variants": {"greeting": {}, "offers": {"content": {HERO: OFFERS}}},
            "bandit": {
                "metric": "hero_click_through",
                "floor": floor,
                "by": "countries" if by_country else None,
            },
        }
    )


def bandit_study(world: World, experiment: Experiment, days: int, start: datetime) -> BanditRun:
    """Returns what comes of so many days with a bandit on the hero.

    1. Visits of a day are lived with the shares as they are.
    2. Its exposures and clicks are trials; each weighs the inverse of its variant's share that day.
    3. All trials so far make the shares of the next day.
    """
    shop = DirectShop(world, [experiment])
    sums: dict[str, dict[str, TrialSums]] = defaultdict(dict)
    missed, even = np.zeros(days), np.zeros(days)
    shares: Shares = {}
    for day in range(days):
        cells: dict[str, dict[str, list[int]]] = defaultdict(dict)
        for visit in visits_of_day(world, day, start):
            outcome = visit_shop(world, visit, shop)
            variant = _variant_of(outcome)
            if variant is None:
                continue
            cell = cells[shop.segment(experiment, visit.person)].setdefault(variant, [0, 0])
            cell[0] += 1
            cell[1] += _is_clicked(outcome)
            chances = {
                name: hero_chance(world, visit.person, arm.content.get(HERO))
                for name, arm in experiment.arms.items()
            }
            best = max(chances.values())
            missed[day] += best - chances[variant]
            even[day] += best - float(np.mean(list(chances.values())))
        for segment, variants in cells.items():
            n_all = sum(n for n, _ in variants.values())
            for name, (n, successes) in variants.items():
                weight = n_all / n
                more = TrialSums(n, successes, n_all, weight * successes, weight * n_all)
                sums[segment][name] = sums[segment].get(name, TrialSums()).merge(more)
        shares = _shares(experiment, sums)
        shop.publish({experiment.key: shares})
    return BanditRun(missed.cumsum(), even.cumsum(), shares)


def _shares(experiment: Experiment, sums: dict[str, dict[str, TrialSums]]) -> Shares:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in share_rows(experiment, sums):
        found[row.segment or EVERYBODY][row.variant] = row.share
    return found


def _variant_of(outcome: Outcome) -> str | None:
    """The variant of the hero that was seen; None of who is in no experiment."""
    for event in outcome.events:
        if event["event_type"] == "exposure" and event["metadata"].get("experiment") == NAME:
            return str(event["metadata"]["variant"])
    return None


def _is_clicked(outcome: Outcome) -> bool:
    return any(
        event["event_type"] == "click" and event["metadata"].get("slot") == HERO
        for event in outcome.events
    )
