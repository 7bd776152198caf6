"""KPIs by day, and what is watched: `spark-submit jobs/monitor.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("monitor")
