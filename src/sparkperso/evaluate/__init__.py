"""How good lists, ratings and clusters are, and how sure that is.

`ranking` in Columns, `clustering` beside it, `rating` in memory; `bootstrap` gives intervals from
sums over groups of users, so that no user need reach the driver. What stands here is imported when
it is first used: `rating` and `bootstrap` need no Spark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.evaluate.bootstrap import Interval as Interval
    from sparkperso.evaluate.bootstrap import bootstrap_interval as bootstrap_interval
    from sparkperso.evaluate.clustering import clustering_metrics as clustering_metrics
    from sparkperso.evaluate.ranking import judge as judge
    from sparkperso.evaluate.ranking import judge_lists as judge_lists
    from sparkperso.evaluate.ranking import mean_metrics as mean_metrics
    from sparkperso.evaluate.ranking import ndcg_at_k as ndcg_at_k
    from sparkperso.evaluate.ranking import ranking_metrics as ranking_metrics
    from sparkperso.evaluate.ranking import user_metrics as user_metrics
    from sparkperso.evaluate.rating import rating_metrics as rating_metrics

_EXPORTS = {
    "Interval": "bootstrap",
    "bootstrap_interval": "bootstrap",
    "judge": "ranking",
    "judge_lists": "ranking",
    "mean_metrics": "ranking",
    "ndcg_at_k": "ranking",
    "ranking_metrics": "ranking",
    "rating_metrics": "rating",
    "clustering_metrics": "clustering",
    "user_metrics": "ranking",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
