"""Experiments: who sees which variant, and what it did.

What stands here is imported when it is first used: the statistics, plans, verdicts, off-policy
values and bandits of docs/experiments-statistics.md, and the assignment of docs/experiments.md.
Nothing but `variant_column` needs Spark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.config.experiments.load import load_experiment as load_experiment
    from sparkperso.experiments.assignment.assign import place_of as place_of
    from sparkperso.experiments.bandits.allocation import allocate as allocate
    from sparkperso.experiments.bandits.posteriors import BetaPosterior as BetaPosterior
    from sparkperso.experiments.columns import variant_column as variant_column
    from sparkperso.experiments.offpolicy.estimators import doubly_robust as doubly_robust
    from sparkperso.experiments.offpolicy.estimators import ips as ips
    from sparkperso.experiments.offpolicy.estimators import snips as snips
    from sparkperso.experiments.offpolicy.logged import LoggedDecisions as LoggedDecisions
    from sparkperso.experiments.statistics.checks.sample_ratio import sample_ratio as sample_ratio
    from sparkperso.experiments.statistics.comparison import cuped_means as cuped_means
    from sparkperso.experiments.statistics.comparison import cuped_ratios as cuped_ratios
    from sparkperso.experiments.statistics.comparison import means as means
    from sparkperso.experiments.statistics.comparison import proportions as proportions
    from sparkperso.experiments.statistics.comparison import ratios as ratios
    from sparkperso.experiments.statistics.estimate import Estimate as Estimate
    from sparkperso.experiments.statistics.moments import Moments as Moments
    from sparkperso.experiments.statistics.power import Expectation as Expectation
    from sparkperso.experiments.statistics.power import plan as plan
    from sparkperso.experiments.statistics.sequential import sequential_means as sequential_means
    from sparkperso.experiments.statistics.verdict import Conduct as Conduct
    from sparkperso.experiments.statistics.verdict import MetricResult as MetricResult
    from sparkperso.experiments.statistics.verdict import decide as decide

_EXPORTS = {
    "BetaPosterior": "bandits.posteriors",
    "Conduct": "statistics.verdict",
    "Estimate": "statistics.estimate",
    "Expectation": "statistics.power",
    "LoggedDecisions": "offpolicy.logged",
    "MetricResult": "statistics.verdict",
    "Moments": "statistics.moments",
    "allocate": "bandits.allocation",
    "cuped_means": "statistics.comparison",
    "cuped_ratios": "statistics.comparison",
    "decide": "statistics.verdict",
    "doubly_robust": "offpolicy.estimators",
    "ips": "offpolicy.estimators",
    "load_experiment": "sparkperso.config.experiments.load",
    "means": "statistics.comparison",
    "place_of": "assignment.assign",
    "plan": "statistics.power",
    "proportions": "statistics.comparison",
    "ratios": "statistics.comparison",
    "sample_ratio": "statistics.checks.sample_ratio",
    "sequential_means": "statistics.sequential",
    "snips": "offpolicy.estimators",
    "variant_column": "columns",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
