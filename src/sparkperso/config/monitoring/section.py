"""The section `monitoring`."""

from __future__ import annotations

from pydantic import Field

from sparkperso.config.monitoring.checks import ChecksConfig
from sparkperso.config.monitoring.delivery import AlertsConfig
from sparkperso.config.monitoring.kpis import KpisConfig
from sparkperso.core.section import Section


class MonitoringConfig(Section):
    """What the job `monitor` does; no other step's tables hang on it."""

    in_run: bool = False
    """Whether `run` ends with monitor."""
    kpis: KpisConfig = Field(default_factory=KpisConfig)
    checks: ChecksConfig = Field(default_factory=ChecksConfig)
    alerts: AlertsConfig = Field(default_factory=AlertsConfig)
