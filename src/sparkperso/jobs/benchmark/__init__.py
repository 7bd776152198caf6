"""benchmark: all models on a split that the user gives, of pairs or of sessions."""

from sparkperso.jobs.benchmark.job import main

__all__ = ["main"]
