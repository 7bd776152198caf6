"""Tables of features: of users as of a time, the same scaled, and the parameters of the scaling.

Shares and rates lie in 0–1 and are 0 where there is nothing to divide by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.schemas.spec import Column, TableSpec, required

_NUMERIC = (
    required(
        "recency_days",
        "double",
        "time since the last purchase; since the first event where there is none",
        "days",
    ),
    required("inactive_days", "double", "time since the last event of any type", "days"),
    required("tenure_days", "double", "time since the first event", "days"),
    required("n_events", "bigint", "events of any type", "events"),
    required("frequency", "bigint", "different orders", "orders"),
    required("monetary", "double", "sum of purchases less refunds; may be negative", "currency"),
    required("basket_size", "double", "different items per order, mean", "items"),
    required("refund_share", "double", "refund events among purchase and refund events"),
    required("sessions", "bigint", "different sessions", "sessions"),
    required("avg_session_seconds", "double", "first to last event of a session, mean", "seconds"),
    required("visits_7d", "bigint", "sessions begun in the last 7 days", "sessions"),
    required("visits_30d", "bigint", "sessions begun in the last 30 days", "sessions"),
    required("click_through", "double", "clicks per page or item view; may exceed 1"),
    required("add_to_cart_rate", "double", "add_to_cart events per item view; may exceed 1"),
    required("avg_scroll_depth", "double", "depth of scroll events, mean", "percent"),
    required("avg_dwell_seconds", "double", "length of dwell events, mean", "seconds"),
    required("n_categories", "bigint", "different categories in category_mix", "categories"),
    required("share_night", "double", "events from 0 to before 6 o'clock"),
    required("share_morning", "double", "events from 6 to before 12 o'clock"),
    required("share_afternoon", "double", "events from 12 to before 18 o'clock"),
    required("share_evening", "double", "events from 18 to before 24 o'clock"),
    required("weekend_share", "double", "events on Saturday or Sunday"),
    required("share_mobile", "double", "mobile phones among events that name a device"),
    required("share_desktop", "double", "desktops among events that name a device"),
    required("share_tablet", "double", "tablets among events that name a device"),
)

_KEY = (
    required("user_id", "string", "identified user"),
    required(
        "as_of", "timestamp", "everything at or before this time counts, nothing later", "UTC"
    ),
)

USER_FEATURES = TableSpec(
    name="gold/user_features",
    grain="one user as of a time",
    key=("user_id", "as_of"),
    writer="build-features",
    columns=(
        *_KEY,
        *_NUMERIC,
        Column("top_category", "string", "category with the largest share; of equals, the first"),
        required(
            "category_mix",
            "map<string,double>",
            "category → share of the events that name one, refunds apart",
        ),
        required(
            "feature_use", "map<string,bigint>", "named product feature → events that used it"
        ),
    ),
)

USER_FEATURES_SCALED = TableSpec(
    name="gold/user_features_scaled",
    grain="one user as of a time",
    key=("user_id", "as_of"),
    writer="build-features",
    columns=(
        *_KEY,
        *(required(name, "double", f"{name}, scaled", "see method") for name in NUMERIC_FEATURES),
        required("scaler_version", "string", "parameters used: rows of gold/feature_scalers"),
    ),
)

__all__ = ["FEATURE_SCALERS", "NUMERIC_FEATURES", "USER_FEATURES", "USER_FEATURES_SCALED"]

FEATURE_SCALERS = TableSpec(
    name="gold/feature_scalers",
    grain="the parameters of one feature in one fit",
    key=("scaler_version", "feature"),
    writer="build-features",
    columns=(
        required("scaler_version", "string", "hash of as_of, settings and fitted parameters"),
        required("feature", "string", "a numeric column of gold/user_features"),
        required("method", "string", "zscore: (x - mean) / std; minmax: (x - min) / (max - min)"),
        required("log", "boolean", "whether x becomes sign(x) · ln(1 + |x|) first"),
        Column("clip_low", "double", "lower bound after the logarithm; null where there is none"),
        Column("clip_high", "double", "upper bound after the logarithm; null where there is none"),
        required("fill", "double", "median after the logarithm: stands for a missing value"),
        required("mean", "double", "mean after logarithm and clipping"),
        required("std", "double", "sample standard deviation after logarithm and clipping"),
        required("min", "double", "least value after logarithm and clipping"),
        required("max", "double", "greatest value after logarithm and clipping"),
        required("as_of", "timestamp", "time of the features that it was fitted on", "UTC"),
    ),
)


class OwnColumn(Protocol):
    """What a feature of conf/features says of its column."""

    @property
    def name(self) -> str:
        """Its name in both tables."""

    @property
    def description(self) -> str:
        """Its meaning."""

    @property
    def unit(self) -> str | None:
        """What it is counted in."""


def columns_of(table: str, own: Sequence[OwnColumn]) -> tuple[Column, ...]:
    """Returns what the features add to the written schema of a table; nothing to most.

    Nullable, since rows of before a feature was configured have none.
    """
    if table == "gold/user_features":
        return tuple(Column(f.name, "double", f.description, f.unit) for f in own)
    if table == "gold/user_features_scaled":
        return tuple(Column(f.name, "double", f"{f.name}, scaled", "see method") for f in own)
    return ()
