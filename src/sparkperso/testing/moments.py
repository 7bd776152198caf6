"""Moments of many simulated experiments at once, for tests and benchmarks of the statistics."""

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
