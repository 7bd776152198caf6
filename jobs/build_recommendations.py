"""Writes the lists of every user: `spark-submit jobs/build_recommendations.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("build-recommendations")
