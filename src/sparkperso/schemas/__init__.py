"""Written schemas of all tables: one module per family."""

from __future__ import annotations

from sparkperso.schemas import (
    consents,
    decisions,
    events,
    experiments,
    features,
    monitoring,
    ops,
    recommend,
    segments,
)
from sparkperso.schemas.spec import Column, TableSpec

_FAMILIES = (
    consents,
    decisions,
    events,
    experiments,
    features,
    monitoring,
    ops,
    recommend,
    segments,
)

TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for family in _FAMILIES
    for spec in vars(family).values()
    if isinstance(spec, TableSpec)
}

__all__ = ["TABLES", "Column", "TableSpec"]
