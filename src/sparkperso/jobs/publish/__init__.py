"""publish: gold → a new version of the serving store, or back to the one before."""

from sparkperso.jobs.publish.job import STEP, main

__all__ = ["STEP", "main"]
