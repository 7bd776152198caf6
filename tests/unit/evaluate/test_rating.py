"""Errors of predicted ratings: those of the pairs that were predicted."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.evaluate.rating import rating_metrics

CASES = range(20)


@pytest.mark.parametrize("seed", CASES)
def test_errors_are_scikit_learns_over_what_is_predicted(seed):
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    rng = np.random.default_rng(seed)
    ratings, predictions = rng.uniform(1, 5, (2, 40))
    predictions[rng.random(40) < 0.3] = np.nan
    is_known = ~np.isnan(predictions)
    pairs = ratings[is_known], predictions[is_known]
    assert rating_metrics(predictions, ratings) == pytest.approx(
        {
            "rmse": root_mean_squared_error(*pairs),
            "mae": mean_absolute_error(*pairs),
            "dropped_share": 1 - is_known.mean(),
        },
        abs=1e-6,
    )


def test_without_a_prediction_there_is_no_error():
    nothing = rating_metrics(np.array([np.nan]), np.array([3.0]))
    assert np.isnan([nothing["rmse"], nothing["mae"]]).all()
    assert nothing["dropped_share"] == 1
    assert rating_metrics(np.array([]), np.array([]))["dropped_share"] == 0
