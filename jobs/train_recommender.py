"""Tunes, tests and registers a recommender: `spark-submit jobs/train_recommender.py --lake …`."""

from sparkperso.cli.main import main

if __name__ == "__main__":
    main("train-recommender")
