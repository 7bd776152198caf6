"""build-recommendations: lists for everybody from the champion."""

from sparkperso.jobs.build_recommendations.job import STEP

__all__ = ["STEP"]
