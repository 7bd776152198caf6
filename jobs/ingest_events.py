"""Takes events of files into bronze, silver and quarantine: spark-submit jobs/ingest_events.py."""

from sparkperso.pipeline.runner import main

if __name__ == "__main__":
    main("ingest-events")
