"""Settings of features, and their names in the schemas."""

from __future__ import annotations

import pytest

from sparkperso.config import load_settings
from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.errors import ConfigError
from sparkperso.schemas import TABLES

NUMERIC_TYPES = {"double", "bigint"}


def test_the_numeric_features_are_the_numeric_columns_of_the_table():
    columns = TABLES["gold/user_features"].columns
    assert tuple(c.name for c in columns if c.type in NUMERIC_TYPES) == NUMERIC_FEATURES


def test_the_scaled_table_has_the_same_names():
    names = TABLES["gold/user_features_scaled"].column_names
    assert names == ["user_id", "as_of", *NUMERIC_FEATURES, "scaler_version"]


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("features.scaling.log=[height]", "unknown features"),
        ("features.scaling.method=robust", "'zscore' or 'minmax'"),
        ("features.scaling.clip_low=0.99", "clip_low must lie below clip_high"),
        ("features.time_zone=Mars", "not a time zone"),
        ("features.session_gap_minutes=0", "greater than or equal to 1"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(assignment, says):
    with pytest.raises(ConfigError, match=says):
        load_settings(assignments=[assignment])
