"""Settings of features, and their names in the schemas."""

from __future__ import annotations

import pytest

from sparkperso.config import load_settings
from sparkperso.config.own_features import load_own_features
from sparkperso.config.segmentation import load_segmentation
from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.errors import ConfigError
from sparkperso.schemas import TABLES
from sparkperso.schemas.features import columns_of

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


@pytest.fixture
def own(tmp_path):
    """Returns write(name, text), which makes a file of conf/features, and the conf/ folder."""

    def write(name, text):
        (tmp_path / "features").mkdir(exist_ok=True)
        (tmp_path / "features" / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


def test_own_features_stand_in_the_schema_of_both_tables_and_wherever_a_feature_may(own):
    folder = own("gifts", "{sql: count(1), description: gifts, unit: gifts, log: true}\n")
    (feature,) = load_own_features(folder)
    assert (feature.name, feature.missing, feature.log) == ("gifts", 0, True)
    assert [c.name for c in columns_of("gold/user_features", (feature,))] == ["gifts"]
    assert [c.name for c in columns_of("gold/user_features_scaled", (feature,))] == ["gifts"]
    assert columns_of("gold/segments", (feature,)) == ()
    (folder / "segments").mkdir()
    rules = "{kind: rules, segments: {a: {when: {attribute: NAME, at_least: 1}}}}\n"
    near = folder / "segments" / "near.yaml"
    near.write_text("{features: [frequency, gifts], described_by: [monetary]}\n")
    assert load_segmentation("near", folder).features == ("frequency", "gifts")
    near.write_text(rules.replace("NAME", "gifts"))
    assert load_segmentation("near", folder).segments["a"].when.attribute == "gifts"
    near.write_text(rules.replace("NAME", "gift"))
    with pytest.raises(ConfigError, match="did you mean 'gifts'"):
        load_segmentation("near", folder)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("monetary", "{sql: count(1), description: x}", "the suite has a column of that name"),
        ("as_of", "{sql: count(1), description: x}", "the suite has a column of that name"),
        ("country", "{sql: count(1), description: x}", "the suite has a column of that name"),
        ("Gifts", "{sql: count(1), description: x}", "should match pattern"),
        ("gifts", "{sql: count(1)}", "description"),
        ("gifts", "{sql: count(1), description: x, window: 3}", "unknown key 'window'"),
        ("gifts", "{sql: count(1), description: x, window_days: 0}", "greater than 0"),
        ("gifts", "{sql: count(1), description: x, missing: .nan}", "finite"),
    ],
)
def test_an_own_feature_of_another_form_is_refused_when_it_is_read(own, name, text, says):
    with pytest.raises(ConfigError) as error:
        load_own_features(own(name, text + "\n"))
    assert says in str(error.value)
    assert f"{name}.yaml" in str(error.value)
