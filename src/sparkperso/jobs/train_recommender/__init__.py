"""train-recommender: search, test and refit of the models, kept as a candidate."""

from sparkperso.jobs.train_recommender.job import STEP, main

__all__ = ["STEP", "main"]
