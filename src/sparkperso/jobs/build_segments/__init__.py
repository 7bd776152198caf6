"""build-segments: users into groups, described and named."""

from sparkperso.jobs.build_segments.job import STEP, main

__all__ = ["STEP", "main"]
