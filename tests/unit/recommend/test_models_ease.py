"""EASE: the laws of all models, then its closed form against ridge regressions one by one."""

from __future__ import annotations

import numpy as np
import pytest

from sparkperso.config.recommend.models import EaseParams
from sparkperso.core.errors import JobError
from sparkperso.recommend.models import fit_model
from sparkperso.recommend.models.base import FitSetting
from sparkperso.recommend.models.ease import closed_form
from sparkperso.testing.models import ModelTests, coloured_catalogue, random_users


class TestEase(ModelTests):
    params = EaseParams(reg_param=2.0)
    bad_settings = ({"reg_param": 0}, {"prior_half_life_days": -1}, {"rank": 4})


class TestWithPrior(TestEase):
    params = EaseParams(reg_param=2.0, prior_half_life_days=30)


def test_each_column_is_the_ridge_regression_on_all_other_items():
    likes = random_users().likes.toarray().astype(float)
    weights = closed_form(random_users().item_gram, 3.0)
    assert not np.diag(weights).any()
    for item in range(likes.shape[1]):
        others = np.delete(np.arange(likes.shape[1]), item)
        left = likes[:, others]
        expected = np.linalg.solve(
            left.T @ left + 3.0 * np.eye(len(others)), left.T @ likes[:, item]
        )
        assert weights[others, item] == pytest.approx(expected, abs=1e-5)


def test_a_catalogue_beyond_the_bound_is_refused_with_what_to_do():
    users = random_users()
    with pytest.raises(JobError, match=r"at most 10 items.*has 25.*recommend\.max_item_pairs"):
        fit_model(
            EaseParams(), users, coloured_catalogue(users.n_items), FitSetting(max_item_pairs=10)
        )


def test_a_gram_that_is_not_one_is_refused_with_what_to_do():
    with pytest.raises(JobError, match="Raise reg_param"):
        closed_form(np.full((3, 3), -5, dtype=np.float32), 1.0)
