"""Segments as events come: spark-submit jobs/stream_segments.py."""

from sparkperso.jobs.command import main

if __name__ == "__main__":
    main("stream-segments")
