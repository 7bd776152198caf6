"""Puts rejected records through the rules again: spark-submit jobs/replay_quarantine.py."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("replay-quarantine")
