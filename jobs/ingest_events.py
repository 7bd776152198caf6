"""Takes events of files into bronze, silver and quarantine: spark-submit jobs/ingest_events.py."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("ingest-events")
