"""Errors of predicted ratings, in the unit of the ratings; lower is better. In memory.

As Spark's RegressionEvaluator has them, but for pairs without a prediction, which are left out and
counted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DECIMALS = 6

Numbers = npt.NDArray[np.floating]


def rating_metrics(predictions: Numbers, ratings: Numbers) -> dict[str, float]:
    """Returns rmse, mae and dropped_share of predictions beside the ratings that were given.

    rmse is √ mean (prediction - rating)², mae mean |prediction - rating|, both in the unit of the
    ratings and over the pairs that have a prediction; NaN where none has. A prediction that is NaN
    is none: dropped_share, from 0 to 1, is the share of those. Rounded to 6 decimals.

    >>> rating_metrics(np.array([4.0, 2.0, np.nan]), np.array([3.0, 5.0, 1.0]))
    {'rmse': 2.236068, 'mae': 2.0, 'dropped_share': 0.333333}
    """
    is_known = ~np.isnan(predictions)
    errors = (predictions - ratings)[is_known]
    metrics = {
        "rmse": float(np.sqrt(np.mean(errors**2))) if len(errors) else float("nan"),
        "mae": float(np.mean(np.abs(errors))) if len(errors) else float("nan"),
        "dropped_share": float(np.mean(~is_known)) if len(is_known) else 0.0,
    }
    return {name: round(value, DECIMALS) for name, value in metrics.items()}
