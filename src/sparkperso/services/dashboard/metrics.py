"""What the dashboard counts, for Prometheus. Labels are ours: none comes from a client."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "sparkperso_dashboard"
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class DashboardMetrics:
    """Counters of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.problems = Counter(
            f"{PREFIX}_problems", "Requests refused, by problem.", ["code"], registry=self.registry
        )
        self.exports = Counter(
            f"{PREFIX}_exports",
            "Files, by page and format.",
            ["page", "format"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            f"{PREFIX}_seconds",
            "Seconds in which a page was made.",
            ["page"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.cache_bytes = Gauge(
            f"{PREFIX}_cache_bytes", "Bytes of results that are kept.", registry=self.registry
        )
        self.cached = Gauge(
            f"{PREFIX}_cache", "Results asked for, by outcome.", ["outcome"], registry=self.registry
        )

    def text(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        return generate_latest(self.registry)
