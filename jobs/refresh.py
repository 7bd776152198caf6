"""Trains anew when there is cause, and serves what passes: spark-submit jobs/refresh.py."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("refresh")
