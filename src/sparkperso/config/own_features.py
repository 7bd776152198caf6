"""The form of conf/features/<name>.yaml: a user feature of your own, as SQL."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from sparkperso.config.layers import conf_files
from sparkperso.config.load import load_named
from sparkperso.core.section import Section
from sparkperso.rules.attributes import ATTRIBUTES

KIND = "features"
"""The folder of conf/."""
RESERVED = frozenset(
    {*ATTRIBUTES, "user_id", "as_of", "category_mix", "feature_use", "scaler_version"}
)
"""Columns of gold/user_features and its scaled twin, and what a rule knows of a user."""


class OwnFeature(Section):
    """A number per user: an SQL aggregate over the user's events up to as-of."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    """The file's name: the column in gold/user_features and gold/user_features_scaled."""
    sql: str = Field(min_length=1)
    """An aggregate over the columns of silver/events, and `as_of`, the time it looks back from."""
    description: str = Field(min_length=1)
    """What it says of a user: the column's meaning."""
    unit: str | None = None
    """What it is counted in."""
    missing: float = Field(default=0.0, allow_inf_nan=False)
    """The value of users of whom the SQL says nothing (null), or no finite number."""
    window_days: float | None = Field(default=None, gt=0)
    """Only events of the last so many days count; None: all."""
    log: bool = False
    """Whether scaling begins with its logarithm, as `features.scaling.log` says of others."""

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED:
            raise ValueError("the suite has a column of that name: rename the file")
        return name


def load_own_features(conf_dir: Path | None = None) -> tuple[OwnFeature, ...]:
    """Returns all of conf/features/, in the order of their names.

    Raises ConfigError for one that is not of the form.
    """
    names = conf_files(KIND, conf_dir)
    return tuple(load_named(KIND, name, OwnFeature, conf_dir) for name in names)
