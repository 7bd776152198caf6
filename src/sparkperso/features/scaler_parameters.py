"""The fitted parameters of the scaling, and one user scaled with them. Plain Python.

A feature is scaled in three steps: x' = sign(x) · ln(1 + |x|) if `log`, else x; x' is brought into
[clip_low, clip_high]; then zscore gives (x' - mean) / std and minmax (x' - min) / (max - min).
A missing value (null, not a number, infinite) is taken as `fill`, the median of x'. A feature that
is the same for all users becomes 0 by zscore and 0.5 by minmax, as Spark's scalers have it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sparkperso.core.hashing import short_hash

# Figures that count for the version: sums in another order differ in the last of 16 digits.
DIGITS = 6


@dataclass(frozen=True)
class FeatureScaler:
    """The parameters of one feature: a row of gold/feature_scalers.

    `fill` and the bounds of clipping are in the feature's own unit after the logarithm, mean, std,
    min and max after all of filling, logarithm and clipping.
    """

    scaler_version: str
    feature: str
    method: str
    log: bool
    clip_low: float | None
    clip_high: float | None
    fill: float
    mean: float
    std: float
    min: float
    max: float
    as_of: datetime

    def scale(self, value: float | None) -> float:
        """Returns the scaled value; `value` is in the feature's own unit, or missing (None, NaN).

        What scaling.scaled_feature does as a Column: one user is scaled as all are.
        """
        return self.standardise(self.prepare(value))

    def prepare(self, value: float | None) -> float:
        """Returns the value after filling, logarithm and clipping."""
        if value is None or not math.isfinite(value):
            x = self.fill
        else:
            x = math.copysign(math.log1p(abs(value)), value) if self.log else float(value)
        x = x if self.clip_low is None else max(x, self.clip_low)
        return x if self.clip_high is None else min(x, self.clip_high)

    def standardise(self, prepared: float) -> float:
        """Returns a prepared value on the common scale."""
        if self.method == "zscore":
            return (prepared - self.mean) / self.std if self.std > 0 else 0.0
        spread = self.max - self.min
        return (prepared - self.min) / spread if spread > 0 else 0.5


def scale_user(
    features: Mapping[str, float | None], scalers: Iterable[FeatureScaler]
) -> dict[str, float]:
    """Returns one user's scaled features, one per scaler; a feature left out counts as missing.

    For whoever scales a user outside Spark, such as a service with features of this moment: the
    same as the user's row of gold/user_features_scaled, to 12 digits.
    """
    return {scaler.feature: scaler.scale(features.get(scaler.feature)) for scaler in scalers}


def with_version(scalers: Iterable[FeatureScaler]) -> list[FeatureScaler]:
    """Returns the scalers under the version that their content gives, a hash of 16 digits.

    Figures count to 6 digits: the same users give the same version, however they are spread.
    """
    fitted = list(scalers)
    content = [{name: _content(v) for name, v in asdict(scaler).items()} for scaler in fitted]
    for row in content:
        del row["scaler_version"]
    version = short_hash(json.dumps(content, sort_keys=True))
    return [replace(scaler, scaler_version=version) for scaler in fitted]


def _content(value: object) -> object:
    if isinstance(value, float):
        return f"{value + 0.0:.{DIGITS}g}"
    return value.isoformat() if isinstance(value, datetime) else value
