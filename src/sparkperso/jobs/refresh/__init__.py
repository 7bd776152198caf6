"""refresh: trains anew when there is cause, and serves what passes, or what was served before."""

from sparkperso.jobs.refresh.job import main

__all__ = ["main"]
