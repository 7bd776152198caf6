"""Whether the variants of two experiments were dealt out independently of each other.

If they were, what the one did to its variants is spread evenly over those of the other, and only
adds noise. If not, two effects are mixed: both were dealt out by one seed, say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from scipy import stats

ALARM: Final = 0.001
"""p below which they were not: as strict as for shares of units."""
LEAST_EXPECTED: Final = 5


def independence(counts: Mapping[tuple[str, str], int]) -> float | None:
    """Returns Pearson's χ² p of a table of (variant, variant of the other) → units in both.

    None where either has fewer than two variants with units, or fewer than five units are expected
    in a cell.

    >>> independence({("a", "x"): 50, ("a", "y"): 50, ("b", "x"): 50, ("b", "y"): 50})
    1.0
    >>> independence({("a", "x"): 50, ("b", "y"): 50}) < ALARM
    True
    """
    rows, columns = (sorted({pair[side] for pair, n in counts.items() if n}) for side in (0, 1))
    if min(len(rows), len(columns)) < 2:
        return None
    table = np.array([[counts.get((row, column), 0) for column in columns] for row in rows])
    expected = stats.contingency.expected_freq(table)
    if expected.min() < LEAST_EXPECTED:
        return None
    return float(stats.chi2_contingency(table, correction=False).pvalue)
