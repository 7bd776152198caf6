"""stream-segments: members of rules, followed live."""

from sparkperso.jobs.stream_segments.job import STEP, main

__all__ = ["STEP", "main"]
