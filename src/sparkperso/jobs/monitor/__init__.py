"""monitor: KPIs by day, and what is watched."""

from sparkperso.jobs.monitor.job import STEP, main

__all__ = ["STEP", "main"]
