"""What is measured: the form of conf/metrics/<name>.yaml."""

from sparkperso.config.metrics.metric import METRICS, Metric, Quantity, load_metrics

__all__ = ["METRICS", "Metric", "Quantity", "load_metrics"]
