"""Divides the users into named segments: `spark-submit jobs/build_segments.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("build-segments")
