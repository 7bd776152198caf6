"""Items for sessions whose structure is known: walks along trails."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
TRAIL = 20
"""Items of a trail."""
ON, WITHIN = 0.6, 0.25
"""Chances that the next item is the trail's next, and that it is any of the trail's."""


def walk_items(sessions: Ints, n_items: int, rng: np.random.Generator) -> Ints:
    """Returns an item (0 to below n_items, a multiple of TRAIL) of each event.

    `sessions` has the events' sessions, equal numbers in runs. Each session has a trail, some of
    them more often than others; an event goes on along it (ON), jumps to any place of it (WITHIN),
    or strays to any item, by the trails' popularity.
    """
    n = len(sessions)
    trails = rng.permutation(n_items).reshape(-1, TRAIL)
    weights = 1 / np.arange(1, len(trails) + 1) ** 0.7
    weights /= weights.sum()
    is_first = np.append(True, sessions[1:] != sessions[:-1])[:n]
    own = rng.choice(len(trails), is_first.sum(), p=weights)[np.cumsum(is_first) - 1]
    place, kind = rng.integers(TRAIL, size=n), rng.random(n)
    # From the last jump on, each event is one place further.
    jumps = np.maximum.accumulate(np.where((kind < ON) & ~is_first, 0, np.arange(n)))
    place = (place[jumps] + np.arange(n) - jumps) % TRAIL
    strays = (kind >= ON + WITHIN) & ~is_first
    trail = np.where(strays, rng.choice(len(trails), n, p=weights), own)
    items: Ints = trails[trail, place]
    return items
