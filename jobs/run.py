"""Every step from raw events to recommendation tables: spark-submit jobs/run.py."""

from sparkperso.pipeline.runner import main

if __name__ == "__main__":
    main("run")
