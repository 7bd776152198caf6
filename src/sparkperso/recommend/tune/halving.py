"""Successive halving (Jamieson and Talwalkar 2016): all on a small budget, the better on a larger.

A budget is a share of the users, to fit and to judge with, and a share of the iterations of models
that iterate. Candidates stand against others of their model alone: a blend and the test want the
best of each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sparkperso.config.recommend.section import RungConfig


def on_budget(params: Any, rung: RungConfig) -> Any:
    """Returns the settings with the rung's share of the iterations, 1 or more."""
    iterations = getattr(params, "max_iter", None)
    if iterations is None:
        return params
    fewer = max(1, math.ceil(round(iterations * rung.iterations, 9)))
    return params.model_copy(update={"max_iter": fewer})


def survivors(values: Mapping[int, float], models: Mapping[int, str], keep: float) -> list[int]:
    """Returns the candidates that go on: of each model the best share `keep`, 1 or more.

    `values` is place of a candidate → its metric, `models` place → its model; of equal values the
    first goes on. In order of their places.

    >>> survivors({0: 0.3, 1: 0.5, 2: 0.4, 3: 0.1}, {0: "a", 1: "a", 2: "a", 3: "b"}, keep=0.5)
    [1, 2, 3]
    """
    chosen: list[int] = []
    for model in dict.fromkeys(models[place] for place in values):
        own = [place for place in values if models[place] == model]
        ranked = sorted(own, key=lambda place: (-values[place], place))
        chosen += ranked[: max(1, math.ceil(round(len(own) * keep, 9)))]
    return sorted(chosen)


def budget_text(rung: RungConfig) -> str:
    """Returns what of the data and the iterations a rung has.

    >>> budget_text(RungConfig(users=0.25, iterations=0.3, keep=0.5))
    'on 25 % of the users, 30 % of the iterations'
    """
    return f"on {rung.users:.0%} of the users, {rung.iterations:.0%} of the iterations".replace(
        "%", " %"
    )
