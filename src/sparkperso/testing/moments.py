"""Simulated experiments whose truth is known, many at once: their units and their moments."""

from __future__ import annotations

import numpy as np

from sparkperso.experiments.statistics.moments import PAIRS, QUANTITIES, Floats, Moments


def simulated_moments(
    y: Floats, d: Floats | None = None, x: Floats | None = None, w: Floats | None = None
) -> list[Moments]:
    """Returns the moments of each row of arrays (simulations, units); d, w default to 1, x to 0."""
    given = (y, d, x, w)
    defaults = (0.0, 1.0, 0.0, 1.0)
    table = np.stack(
        [
            np.full(y.shape, default) if values is None else values.astype(np.float64)
            for values, default in zip(given, defaults, strict=True)
        ]
    )
    means = table.mean(axis=2)
    away = table - means[:, :, None]
    products = []
    for first, second in PAIRS:
        one, other = away[QUANTITIES.index(first)], away[QUANTITIES.index(second)]
        products.append(np.einsum("sn,sn->s", one, other))
    return [
        Moments(y.shape[1], tuple(mean), tuple(products_of_one))
        for mean, products_of_one in zip(
            means.T.tolist(), np.stack(products, axis=1).tolist(), strict=True
        )
    ]


def units(
    kind: str, shape: int | tuple[int, ...], rng: np.random.Generator, lift: float = 0.0
) -> dict[str, Floats]:
    """Returns arrays y, d, x, w of `shape` for a kind of comparison, such as cuped_means.

    The expected value is 1 + `lift` times that without.
    """
    if kind == "proportions":
        return {"y": (rng.random(shape) < 0.2 * (1 + lift)).astype(float)}
    # A taste that lasts, so that before and after go together; skewed, as spending is.
    taste = rng.gamma(4, 0.25, shape)
    if kind in {"means", "cuped_means"}:
        before, after = (taste * rng.gamma(4, 0.25, shape) for _ in range(2))
        return {"y": 10 * (1 + lift) * after, "x": 10 * before}
    # Of each view a click; views differ by unit, and so does the rate.
    views, earlier = (1 + rng.poisson(20, shape) for _ in range(2))
    rate = 0.1 + 0.5 * rng.beta(2, 2, shape)
    return {
        "y": rng.binomial(views, rate * (1 + lift)).astype(float),
        "d": views.astype(float),
        "x": rng.binomial(earlier, rate).astype(float),
        "w": earlier.astype(float),
    }


def true_value(kind: str) -> float:
    """Returns the expected value of the metric without a lift."""
    return {"proportions": 0.2, "means": 10.0, "cuped_means": 10.0}.get(kind, 0.35)
