"""Many comparisons at once: p values adjusted so that the level holds for all of them together.

statsmodels' `multipletests`, for lists in which some p values are missing: what could not be tested
counts as no test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from sparkperso.core.errors import UsageError

Method = Literal["holm", "fdr_bh"]
_MOST: Final = 1.0


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns p values that keep the probability of any false alarm at the level (Holm 1979).

    In the same order, None where there was none. For goal metrics × variants.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    return _adjusted(p_values, "holm")


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Returns p values that keep the expected share of false alarms among alarms at the level.

    Benjamini and Hochberg (1995). For many segments or secondary metrics.

    >>> benjamini_hochberg([0.01, None, 0.02])
    [0.02, None, 0.02]
    """
    return _adjusted(p_values, "fdr_bh")


def _adjusted(p_values: Sequence[float | None], method: Method) -> list[float | None]:
    known = [(place, p) for place, p in enumerate(p_values) if p is not None]
    wrong = [p for _, p in known if math.isnan(p) or not 0 <= p <= 1]
    if wrong:
        raise UsageError(
            "A p value lies between 0 and 1", f"Found {wrong[0]}", "Give None for none"
        )
    found: list[float | None] = [None] * len(p_values)
    if not known:
        return found
    # It takes a second to import, which who only assigns variants need not wait for.
    from statsmodels.stats.multitest import multipletests

    adjusted = multipletests([p for _, p in known], method=method)[1]
    for (place, _), value in zip(known, adjusted, strict=True):
        found[place] = min(float(value), _MOST)
    return found
