"""Helpers of tests, the suite's own and those of its users: cluster, samples, frames, laws.

`ModelTests` is the family of tests that every recommender is held to, those of other packages too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.testing.models import ModelTests as ModelTests

_EXPORTS = {"ModelTests": "models"}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
