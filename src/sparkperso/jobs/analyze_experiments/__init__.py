"""analyze-experiments: exposures and events → results, verdicts and reports of experiments."""

from sparkperso.jobs.analyze_experiments.job import STEP, main

__all__ = ["STEP", "main"]
