"""User features as of a time, and their scaling: events in, one row per user out.

`build_user_features` has every feature as one Column; `fit_scalers` finds the parameters of the
scaling, `scale_features` applies them to a table and `scale_user` to one user, without Spark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.features.scaler_parameters import FeatureScaler as FeatureScaler
    from sparkperso.features.scaler_parameters import scale_user as scale_user
    from sparkperso.features.scaling import fit_scalers as fit_scalers
    from sparkperso.features.scaling import scale_features as scale_features
    from sparkperso.features.users import build_user_features as build_user_features

_EXPORTS = {
    "FeatureScaler": "scaler_parameters",
    "build_user_features": "users",
    "fit_scalers": "scaling",
    "scale_features": "scaling",
    "scale_user": "scaler_parameters",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
