"""Scaling of user features: fitted by Spark ML, applied from its parameters as Columns.

1. Quantiles of each feature, after the logarithm where it has one: the median, which fills what is
   missing, and the bounds of clipping.
2. Mean and standard deviation, least and largest of what filling and clipping make of it.
3. All users are scaled by these parameters (`scaled_feature`), which stand in a table: a version is
   a hash of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import ceil, floor
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.ml.feature import (
    MinMaxScaler,
    StandardScaler,
    VectorAssembler,
)
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from sparkperso.config.features import ScalingConfig
from sparkperso.config.own_features import OwnFeature
from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.errors import JobError
from sparkperso.features.scaler_parameters import FeatureScaler, with_version
from sparkperso.platform.frames import cached

MEDIAN = 0.5
# The scalers add in the order of the partitions; what is kept of a sum does not show it.
DIGITS = 10


def fit_scalers(
    users: DataFrame, config: ScalingConfig, as_of: datetime, own: Sequence[OwnFeature] = ()
) -> list[FeatureScaler]:
    """Returns the scaler of every numeric feature, fitted on users (rows of gold/user_features).

    Those of `own` come last.

    StandardScaler gives mean and sample standard deviation, MinMaxScaler the bounds, both after
    filling, logarithm and clipping. Bounds and medians are exact quantiles of up to
    `quantile_sample` users, beyond that of those whose hash falls into the sample. So few users are
    fitted in memory, where no query is needed. Raises JobError when there are no users.
    """
    logs = (*config.log, *(feature.name for feature in own if feature.log))
    config = config.model_copy(update={"log": logs})
    some = users.select(*_names(own)).limit(config.quantile_sample + 1).toArrow()
    if some.num_rows <= config.quantile_sample:
        return with_version(_fit_here(some, config, as_of))
    return with_version(_fit_by_spark(users, config, as_of, own))


def _names(own: Sequence[OwnFeature]) -> list[str]:
    return [*NUMERIC_FEATURES, *(feature.name for feature in own)]


def _fit_by_spark(
    users: DataFrame, config: ScalingConfig, as_of: datetime, own: Sequence[OwnFeature] = ()
) -> list[FeatureScaler]:
    names = _names(own)
    quantiles = [
        F.percentile(_transformed(name, name in config.log), _shares(config)).alias(name)
        for name in names
    ]
    row = cast(Row, _sample(users, config.quantile_sample).agg(*quantiles).first())
    unfitted = _unfitted(row.asDict(), config, as_of)
    prepared = users.select(*(_prepared(s).alias(s.feature) for s in unfitted))
    assembler = VectorAssembler(inputCols=names, outputCol="features")
    with cached(assembler.transform(prepared).select("features")) as vectors:
        standard = standard_scaler().fit(vectors)
        bounds = MinMaxScaler(inputCol="features", outputCol="scaled").fit(vectors)
    fits = (standard.mean, standard.std, bounds.originalMin, bounds.originalMax)
    columns = zip(unfitted, *(vector.toArray() for vector in fits), strict=True)
    return [
        replace(scaler, mean=_short(mean), std=_short(std), min=float(low), max=float(high))
        for scaler, mean, std, low, high in columns
    ]


def standard_scaler() -> StandardScaler:
    """Returns Spark's StandardScaler as a z-score: centred, which is not its default."""
    return StandardScaler(inputCol="features", outputCol="scaled", withMean=True, withStd=True)


def scale_features(users: DataFrame, scalers: Sequence[FeatureScaler]) -> DataFrame:
    """Returns gold/user_features_scaled: the same users and names of features, scaled."""
    return users.select(
        "user_id",
        "as_of",
        *(scaled_feature(scaler).alias(scaler.feature) for scaler in scalers),
        F.lit(scalers[0].scaler_version).alias("scaler_version"),
    )


def scaled_feature(scaler: FeatureScaler) -> Column:
    """Returns the scaled value of the column that the scaler is named after; never null."""
    value = _prepared(scaler)
    low, spread, at_rest = scaler.min, scaler.max - scaler.min, 0.5
    if scaler.method == "zscore":
        low, spread, at_rest = scaler.mean, scaler.std, 0.0
    return (value - F.lit(low)) / F.lit(spread) if spread > 0 else F.lit(at_rest)


def _prepared(scaler: FeatureScaler) -> Column:
    value = F.coalesce(_transformed(scaler.feature, scaler.log), F.lit(scaler.fill))
    if scaler.clip_low is not None:
        value = F.greatest(value, F.lit(scaler.clip_low))
    return value if scaler.clip_high is None else F.least(value, F.lit(scaler.clip_high))


def _transformed(feature: str, log: bool) -> Column:
    """The value before clipping, null where it is missing."""
    value = F.col(feature).cast("double")
    finite = F.when(F.abs(value) < float("inf"), value)
    return F.signum(finite) * F.log1p(F.abs(finite)) if log else finite


def _fit_here(users: pa.Table, config: ScalingConfig, as_of: datetime) -> list[FeatureScaler]:
    """The scalers of users in memory (a column per feature), by Spark's own formulas."""
    if not len(users):
        raise no_users()
    values = {}
    for name in users.column_names:
        own = users.column(name).to_numpy().astype(np.float64)
        # Infinities too count as missing, as in `_transformed`.
        own[~np.isfinite(own)] = np.nan
        values[name] = np.sign(own) * np.log1p(np.abs(own)) if name in config.log else own
    quantiles = {name: _quantiles(own, _shares(config)) for name, own in values.items()}
    scalers = []
    for scaler in _unfitted(quantiles, config, as_of):
        own = np.nan_to_num(values[scaler.feature], nan=scaler.fill)
        if scaler.clip_low is not None:
            own = np.maximum(own, scaler.clip_low)
        if scaler.clip_high is not None:
            own = np.minimum(own, scaler.clip_high)
        scalers.append(
            replace(
                scaler,
                mean=_short(float(own.mean())),
                std=_short(float(own.std(ddof=1)) if len(own) > 1 else 0.0),
                min=float(own.min()),
                max=float(own.max()),
            )
        )
    return scalers


def _quantiles(values: npt.NDArray[np.float64], shares: Sequence[float]) -> list[float] | None:
    """Exact quantiles as `percentile` of Spark interpolates them; None without a value."""
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return None
    quantiles = []
    for share in shares:
        place = share * (len(known) - 1)
        low, high = floor(place), ceil(place)
        # In Spark's order of operations, so that both ways give the same digits.
        between = (high - place) * known[low] + (place - low) * known[high]
        quantiles.append(float(known[low] if low == high else between))
    return quantiles


def _shares(config: ScalingConfig) -> list[float]:
    return [config.clip_low or 0.0, MEDIAN, 1.0 if config.clip_high is None else config.clip_high]


def _unfitted(
    quantiles: Mapping[str, Sequence[float] | None], config: ScalingConfig, as_of: datetime
) -> list[FeatureScaler]:
    """The scalers with what comes before the fit: logarithm, median, bounds of clipping.

    `quantiles` has those of `_shares` by feature.
    """
    low, high = config.clip_low, config.clip_high
    scalers = []
    for name in quantiles:
        # Without any value the feature is filled with 0, and scaled as one that never differs.
        bottom, fill, top = quantiles[name] or (None, 0.0, None)
        clips = config.clips(name)
        scalers.append(
            FeatureScaler(
                scaler_version="",
                feature=name,
                method=config.method,
                log=name in config.log,
                clip_low=bottom if clips and low is not None else None,
                clip_high=top if clips and high is not None else None,
                fill=fill,
                mean=0.0,
                std=0.0,
                min=0.0,
                max=0.0,
                as_of=as_of,
            )
        )
    return scalers


def _sample(users: DataFrame, size: int) -> DataFrame:
    """Users chosen by their hash: the same ones however they are spread."""
    n_users = users.count()
    parts = ceil(n_users / size)
    return users.where(F.pmod(F.xxhash64("user_id"), F.lit(parts)) == 0) if parts > 1 else users


def no_users() -> JobError:
    """Returns the error of an as-of before which no event names a user."""
    return JobError(
        "The scaling is fitted on the users' features",
        "No event names a user at or before this time",
        "Ingest events that hold a user_id, or choose a later --as-of",
    )


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
