"""Means and sums of products of four quantities of a unit: all that most comparisons need.

Sums of deviations from the mean, not of squares: of the latter little is left when values are large
and vary little. Parts are merged as Chan, Golub and LeVeque (1983) say, so that Spark, a day or a
segment gives the same as all at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from sparkperso.core.errors import UsageError

Floats: TypeAlias = npt.NDArray[np.float64]
Quantity = Literal["y", "d", "x", "w"]
Means: TypeAlias = tuple[float, float, float, float]
Comoments: TypeAlias = tuple[
    float, float, float, float, float, float, float, float, float, float
]  # fmt: skip

QUANTITIES: Final[tuple[Quantity, ...]] = ("y", "d", "x", "w")
PAIRS: Final = ("yy", "yd", "yx", "yw", "dd", "dx", "dw", "xx", "xw", "ww")
"""The order of the comoments: the upper triangle, row by row."""
_INDEXES: Final = tuple((QUANTITIES.index(a), QUANTITIES.index(b)) for a, b in PAIRS)
_PLACES: Final = {names: place for place, pair in enumerate(PAIRS) for names in (pair, pair[::-1])}
_QUANTITY_PLACES: Final = {name: place for place, name in enumerate(QUANTITIES)}


@dataclass(frozen=True)
class Moments:
    """How `n` units of a variant came out, in four quantities of each unit.

    y: the metric's value, or a ratio's numerator; a proportion's is 0 or 1. d: a ratio's
    denominator, 1 for means. x and w: the same two before the experiment (covariates of CUPED).
    `means` in this order; `comoments` are Σ (a − ā)(b − b̄) in the order of `PAIRS`.

    >>> part = Moments.from_rows(y=[0.0, 1.0, 1.0]).merge(Moments.from_rows(y=[1.0, 0.0]))
    >>> part.n, part.mean("y"), round(part.variance("y"), 6)
    (5, 0.6, 0.3)
    """

    n: int
    means: Means
    comoments: Comoments

    @classmethod
    def empty(cls) -> Moments:
        """Returns the moments of no unit, which change nothing when merged."""
        return cls(0, (0.0,) * 4, (0.0,) * 10)

    @classmethod
    def from_rows(
        cls,
        y: npt.ArrayLike,
        d: npt.ArrayLike | None = None,
        x: npt.ArrayLike | None = None,
        w: npt.ArrayLike | None = None,
    ) -> Moments:
        """Returns the moments of arrays with one value per unit; d and w default to 1, x to 0.

        Raises UsageError when their lengths differ.
        """
        values = np.asarray(y, dtype=np.float64)
        n = len(values)
        defaults = ((d, 1.0), (x, 0.0), (w, 1.0))
        rows = [values, *(_column(given, default, n) for given, default in defaults)]
        if not n:
            return cls.empty()
        table = np.stack(rows)
        # What is infinite stays so, and the comparison says that it is.
        with np.errstate(over="ignore", invalid="ignore"):
            means = table.mean(axis=1)
            away = table - means[:, None]
            products = away @ away.T
        return cls(
            n,
            (float(means[0]), float(means[1]), float(means[2]), float(means[3])),
            _ten([float(products[i, j]) for i, j in _INDEXES]),
        )

    @classmethod
    def from_counts(cls, successes: int, n: int) -> Moments:
        """Returns the moments of a proportion: `successes` units of `n` with y = 1, else 0."""
        if not 0 <= successes <= n:
            raise UsageError(
                "A proportion has between no and all units that succeed",
                f"{successes} of {n}",
                "Give the successes first, then the units",
            )
        share = successes / n if n else 0.0
        comoments = (n * share * (1 - share),) + (0.0,) * 9
        return cls(n, (share, 1.0, 0.0, 1.0), _ten(list(comoments)))

    @classmethod
    def merged(cls, parts: Iterable[Moments]) -> Moments:
        """Returns the moments of all units of `parts`."""
        whole = cls.empty()
        for part in parts:
            whole = whole.merge(part)
        return whole

    def merge(self, other: Moments) -> Moments:
        """Returns the moments of the units of both (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        if not self.n or not other.n:
            return other if not self.n else self
        n = self.n + other.n
        gaps = [b - a for a, b in zip(self.means, other.means, strict=True)]
        share = other.n / n
        y, d, x, w = (a + gap * share for a, gap in zip(self.means, gaps, strict=True))
        between = self.n * share
        comoments = [
            a + b + gaps[i] * gaps[j] * between
            for a, b, (i, j) in zip(self.comoments, other.comoments, _INDEXES, strict=True)
        ]
        return Moments(n, (y, d, x, w), _ten(comoments))

    def mean(self, quantity: Quantity) -> float:
        """Returns the mean over units; 0 without any."""
        return self.means[_QUANTITY_PLACES[quantity]]

    def variance(self, quantity: Quantity) -> float:
        """Returns the sample variance (÷ (n − 1)); raises UsageError below two units."""
        return self.covariance(quantity, quantity)

    def covariance(self, first: Quantity, second: Quantity) -> float:
        """Returns the sample covariance (÷ (n − 1)); raises UsageError below two units."""
        if self.n < 2:
            raise UsageError(
                "A variance needs two units or more", f"There are {self.n}", "Look at n first"
            )
        return self.comoments[_PLACES[first + second]] / (self.n - 1)


def _column(given: npt.ArrayLike | None, default: float, n: int) -> Floats:
    """The values of a quantity, or n times its default."""
    values = np.full(n, default) if given is None else np.asarray(given, dtype=np.float64)
    if values.shape != (n,):
        raise UsageError(
            f"Each quantity has one value per unit, so {n}",
            f"An array of shape {values.shape}",
            "Give arrays of the same length",
        )
    return values


def _ten(values: list[float]) -> Comoments:
    """Ten numbers as the tuple that they are declared as."""
    a, b, c, d, e, f, g, h, i, j = values
    return a, b, c, d, e, f, g, h, i, j
