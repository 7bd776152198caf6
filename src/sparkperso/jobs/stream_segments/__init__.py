"""stream-segments: members of rules, followed live."""

from sparkperso.jobs.stream_segments.job import STEP

__all__ = ["STEP"]
