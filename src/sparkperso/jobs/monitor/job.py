"""monitor: events → KPIs by day; tables, lists and models → what is out of the ordinary."""

from __future__ import annotations

from typing import Any

from sparkperso.jobs.monitor.kpis import BOOKMARKS, KPIS, tell_kpis
from sparkperso.pipeline.job import Job, Summary
from sparkperso.pipeline.runner import run_step
from sparkperso.pipeline.step import Step


def monitor(job: Job) -> Summary:
    """Brings the KPIs up to as-of; returns how many days were told anew."""
    return {"days": tell_kpis(job)}


# No inputs are named: that nothing came is news, too.
STEP = Step(name="monitor", action=monitor, outputs=(KPIS, BOOKMARKS))


def main(arguments: dict[str, Any]) -> None:
    """Carries out the command line."""
    run_step(STEP, arguments)
