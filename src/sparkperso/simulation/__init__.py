"""A shop whose people's tastes are known: what they do with what they are shown, and the truth.

`world` makes people and items, `calendar` says who comes when, `behaviour` what they do with what a
shop front shows, `truth` what an analysis should find. `services` is the shop front of the real
collector and API, over which `loop` lives the days; `direct` is one within the process, and `study`
what statistics find there. Plain Python: no Spark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.config.experiments.simulation import SimulationConfig as SimulationConfig
    from sparkperso.simulation.files import shipped_experiments as shipped_experiments
    from sparkperso.simulation.study import direct_study as direct_study
    from sparkperso.simulation.world import make_world as make_world

_EXPORTS = {
    "SimulationConfig": "sparkperso.config.experiments.simulation",
    "direct_study": "study",
    "make_world": "world",
    "shipped_experiments": "files",
}

__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
