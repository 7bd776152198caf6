"""Segments as events come: spark-submit jobs/stream_segments.py."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("stream-segments")
