"""Whether a candidate may become champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkperso.errors import QualityGateError
from sparkperso.evaluate.bootstrap import Interval


def require_better(test: Mapping[str, Any], challenger: str) -> dict[str, Interval]:
    """Returns the challenger's paired gains over the baselines, all wholly above zero.

    `test` is what `Comparison.as_dict` gave. Raises QualityGateError when one interval is not.
    """
    gains = {name: Interval(**values) for name, values in test["gains"].items()}
    weak = {name: gain for name, gain in gains.items() if not gain.is_above_zero()}
    if weak or not gains:
        found = "; ".join(f"over {name} it is {gain}" for name, gain in weak.items())
        raise QualityGateError(
            f"The gain of {challenger} in {test['metric']} should lie above zero on the test",
            found or "No baseline was tested beside it",
            "The champion stays; without one, lists are popularity's. More events, or another "
            "search space (recommend.search), may help",
        )
    return gains
