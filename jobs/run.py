"""Every step from raw events to recommendation tables: spark-submit jobs/run.py."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("run")
