"""build-recommendations: lists for everybody from the champion."""

from sparkperso.jobs.build_recommendations.job import STEP, main

__all__ = ["STEP", "main"]
