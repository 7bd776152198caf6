"""train-recommender: search, test and refit of the models, kept as a candidate."""

from sparkperso.jobs.train_recommender.job import STEP

__all__ = ["STEP"]
