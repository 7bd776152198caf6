"""What lies outside: Spark's session, the lake, MLflow, Java, files.

`session` alone builds a SparkSession, `lake` alone touches Delta from Spark, `tracking` alone
imports MLflow. `frames` is the life cycle of all that is kept in memory, `literals` makes Columns
of Python's values. What a notebook needs stands here too; this package's own code imports it from
its modules, where contracts see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.platform.frames import Keeper as Keeper
    from sparkperso.platform.lake import Lake as Lake
    from sparkperso.platform.session import build_session as build_session

_EXPORTS = {
    "Keeper": "frames",
    "Lake": "lake",
    "build_session": "session",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
