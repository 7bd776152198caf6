"""Scaling: Spark ML's results come again from the stored parameters, for all users and for one."""

from __future__ import annotations

import math
from datetime import datetime

import pytest

from sparkperso.config.features import ScalingConfig
from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.errors import JobError
from sparkperso.features.scaler_parameters import scale_user
from sparkperso.testing.frames import table_frame

AS_OF = datetime(2026, 6, 30)
NEAR = 1e-8
EXACT = ScalingConfig(log=(), clip_low=None, clip_high=None)


@pytest.fixture
def users_frame(spark):
    """Returns users_frame(rows): users whose other features are 1."""

    def build(rows):
        blank = {"as_of": AS_OF, "category_mix": {}, "feature_use": {}}
        ones = {name: 1.0 if is_double(name) else 1 for name in NUMERIC_FEATURES}
        filled = [{"user_id": f"u{n}", **row} for n, row in enumerate(rows)]
        return table_frame(spark, "gold/user_features", filled, **blank, **ones)

    return build


def is_double(name):
    from sparkperso.schemas import TABLES

    types = {column.name: column.type for column in TABLES["gold/user_features"].columns}
    return types[name] == "double"


def rows_of(n=50):
    """Skewed amounts, a negative one, and counts."""
    rows = [{"monetary": n**3 / 7, "frequency": n % 9, "recency_days": n * 1.5} for n in range(n)]
    return [*rows, {"monetary": -40.0}]


def by_ml(users, scalers, method):
    """Spark ML's own transform of the prepared features."""
    from pyspark.ml.feature import MinMaxScaler, VectorAssembler

    from sparkperso.features.scaling import _prepared, standard_scaler

    prepared = users.select("user_id", *(_prepared(s).alias(s.feature) for s in scalers))
    vectors = VectorAssembler(inputCols=list(NUMERIC_FEATURES), outputCol="features")
    vectors = vectors.transform(prepared)
    minmax = MinMaxScaler(inputCol="features", outputCol="scaled")
    model = (standard_scaler() if method == "zscore" else minmax).fit(vectors)
    return {row.user_id: list(row.scaled) for row in model.transform(vectors).collect()}


@pytest.mark.parametrize("method", ["zscore", "minmax"])
def test_one_user_the_table_and_spark_ml_agree(users_frame, method):
    from sparkperso.features.scaling import fit_scalers, scale_features

    config = ScalingConfig(method=method, log=("monetary",), clip_low=0.05, clip_high=0.95)
    users = users_frame(rows_of())
    scalers = fit_scalers(users, config, AS_OF)
    table = {row.user_id: row for row in scale_features(users, scalers).collect()}
    expected = by_ml(users, scalers, method)
    for user in users.collect():
        found = [table[user.user_id][name] for name in NUMERIC_FEATURES]
        assert found == pytest.approx(expected[user.user_id], abs=NEAR)
        alone = scale_user(user.asDict(), scalers)
        assert [alone[name] for name in NUMERIC_FEATURES] == pytest.approx(found, abs=1e-12)


def test_z_scores_have_mean_0_and_deviation_1(users_frame):
    from sparkperso.features.scaling import fit_scalers, scale_features

    users = users_frame(rows_of())
    scaled = scale_features(users, fit_scalers(users, EXACT, AS_OF))
    for name in ("monetary", "frequency", "recency_days"):
        row = scaled.selectExpr(f"avg({name})", f"stddev_samp({name})").first()
        assert tuple(row) == pytest.approx((0.0, 1.0), abs=NEAR)


def test_min_max_reaches_from_0_to_1(users_frame):
    from sparkperso.features.scaling import fit_scalers, scale_features

    users = users_frame(rows_of())
    config = EXACT.model_copy(update={"method": "minmax"})
    scaled = scale_features(users, fit_scalers(users, config, AS_OF))
    assert tuple(scaled.selectExpr("min(monetary)", "max(monetary)").first()) == (0.0, 1.0)


@pytest.mark.parametrize(("method", "value"), [("zscore", 0.0), ("minmax", 0.5)])
def test_a_feature_that_is_the_same_for_all_has_a_value_of_its_own(users_frame, method, value):
    from sparkperso.features.scaling import fit_scalers, scale_features

    users = users_frame(rows_of())
    config = EXACT.model_copy(update={"method": method})
    scalers = fit_scalers(users, config, AS_OF)
    found = {row.sessions for row in scale_features(users, scalers).collect()}
    assert found == {value}
    assert scale_user({"sessions": 1}, scalers)["sessions"] == value


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf])
def test_a_missing_value_is_taken_as_the_median(users_frame, missing):
    from sparkperso.features.scaling import fit_scalers, scaled_feature

    users = users_frame([{"monetary": float(n)} for n in (0, 1, 2, 100)])
    scalers = fit_scalers(users, EXACT, AS_OF)
    scaler = next(s for s in scalers if s.feature == "monetary")
    assert scaler.fill == 1.5
    value = "null" if missing is None else f"'{missing}'"
    given = users.limit(1).selectExpr(f"double({value}) AS monetary")
    found = given.select(scaled_feature(scaler).alias("scaled")).first().scaled
    assert found == pytest.approx(scaler.scale(1.5))
    assert scaler.scale(missing) == scaler.scale(1.5)


def test_missing_values_of_the_fit_are_the_median_of_the_others(users_frame):
    from sparkperso.features.scaling import fit_scalers

    users = users_frame([{"monetary": v} for v in (1.0, 2.0, 3.0, math.inf, math.nan)])
    scaler = next(s for s in fit_scalers(users, EXACT, AS_OF) if s.feature == "monetary")
    assert (scaler.fill, scaler.mean, scaler.min, scaler.max) == (2.0, 2.0, 1.0, 3.0)


def test_clipping_is_by_exact_quantiles_and_only_where_it_is_asked_for(users_frame):
    from sparkperso.features.scaling import fit_scalers

    users = users_frame([{"monetary": float(n), "frequency": n} for n in range(101)])
    config = ScalingConfig(clip_high=0.9, clip=("monetary",))
    scalers = {s.feature: s for s in fit_scalers(users, config, AS_OF)}
    assert (scalers["monetary"].clip_low, scalers["monetary"].clip_high) == (None, 90.0)
    assert scalers["monetary"].max == 90.0
    assert (scalers["frequency"].clip_high, scalers["frequency"].max) == (None, 100.0)


def test_the_version_follows_the_content(users_frame):
    from sparkperso.features.scaling import fit_scalers

    users, others = users_frame(rows_of()), users_frame(rows_of(49))
    version = fit_scalers(users, EXACT, AS_OF)[0].scaler_version
    assert fit_scalers(users.repartition(3), EXACT, AS_OF)[0].scaler_version == version
    logged = EXACT.model_copy(update={"log": ("monetary",)})
    assert fit_scalers(users, logged, AS_OF)[0].scaler_version != version
    assert fit_scalers(others, EXACT, AS_OF)[0].scaler_version != version


@pytest.mark.parametrize("high", [None, 0.9])
def test_users_in_memory_are_fitted_as_spark_fits_them(users_frame, high):
    from sparkperso.features.scaling import _fit_by_spark, fit_scalers

    config = ScalingConfig(log=("monetary",), clip_low=None, clip_high=high)
    rows = [*rows_of(), {"monetary": math.inf}, {"recency_days": math.nan}]
    users = users_frame(rows)
    for here, there in zip(
        fit_scalers(users, config, AS_OF), _fit_by_spark(users, config, AS_OF), strict=True
    ):
        for name, value in vars(there).items():
            if name != "scaler_version":
                found = getattr(here, name)
                is_number = isinstance(value, float)
                assert found == (pytest.approx(value, rel=1e-9) if is_number else value), name


def test_quantiles_of_many_users_are_those_of_a_sample_that_partitions_do_not_change(users_frame):
    from sparkperso.features.scaling import fit_scalers

    config = ScalingConfig(clip_low=0.1, clip_high=0.9, quantile_sample=100)
    users = users_frame([{"monetary": float(n)} for n in range(400)])
    one = fit_scalers(users, config, AS_OF)
    assert one == fit_scalers(users.repartition(7), config, AS_OF)
    low = next(s for s in one if s.feature == "monetary").clip_low
    assert low != 39.9
    assert low == pytest.approx(40, abs=25)


def test_without_users_there_is_nothing_to_fit(users_frame):
    from sparkperso.features.scaling import fit_scalers

    with pytest.raises(JobError, match="No event names a user"):
        fit_scalers(users_frame([]), EXACT, AS_OF)
