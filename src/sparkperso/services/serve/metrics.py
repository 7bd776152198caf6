"""What the API counts, for Prometheus. Labels are ours: none comes from a client."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the buckets of latencies, in seconds."""
PREFIX = "sparkperso_serve"


class Latencies(Collector):
    """Seconds of answers by route and strategy; to count one costs next to nothing."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], list[float]] = {}

    def observe(self, route: str, strategy: str, seconds: float) -> None:
        """Counts one answer."""
        counts = self._counts.get((route, strategy))
        if counts is None:
            # A place for each bucket, one for what is slower, and the sum.
            counts = self._counts[route, strategy] = [0.0] * (len(BOUNDS) + 2)
        counts[bisect_left(BOUNDS, seconds)] += 1
        counts[-1] += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yields the histogram as Prometheus reads it."""
        family = HistogramMetricFamily(
            f"{PREFIX}_seconds",
            "Seconds from a request to its answer.",
            labels=["route", "strategy"],
        )
        for labels, counts in sorted(self._counts.items()):
            buckets, total = [], 0.0
            for bound, count in zip((*BOUNDS, "+Inf"), counts, strict=False):
                total += count
                buckets.append((str(bound), total))
            family.add_metric(labels, buckets, counts[-1])
        yield family


class ApiMetrics:
    """Counters of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latencies = Latencies()
        self.registry.register(self.latencies)
        self.problems = self._counter("problems", "Requests refused, by problem.", "code")
        self.fallbacks = self._counter("fallbacks", "Answers that fell back, by why.", "why")
        self.dropped = self._counter("dropped_decisions", "Decisions that were not kept.")
        self.version_age = Gauge(
            f"{PREFIX}_version_age_seconds",
            "Seconds since the version that is read was published.",
            registry=self.registry,
        )
        self.lists_age = Gauge(
            f"{PREFIX}_lists_age_seconds",
            "Seconds since the lists of the version that is read were made.",
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def text(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        return generate_latest(self.registry)
