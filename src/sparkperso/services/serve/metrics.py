"""What the API counts, for Prometheus. Labels are ours: none comes from a client."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from sparkperso.services.http.process.shared_metrics import OwnValues, exposition

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the buckets of latencies, in seconds."""
EDGES = (*map(str, BOUNDS), "+Inf")
PREFIX = "sparkperso_serve"
SECONDS = f"{PREFIX}_seconds", "Seconds from a request to its answer."
CACHES = f"{PREFIX}_cache", "Look-ups in memory, by what was looked for and whether it was there."


class Latencies(Collector):
    """Seconds of answers by route and strategy; to count one costs less than a microsecond."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], list[float]] = {}
        self._keys: dict[tuple[str, str], list[str]] = {}
        self._shared = OwnValues("histogram", *SECONDS)

    def observe(self, route: str, strategy: str, seconds: float) -> None:
        """Counts one answer."""
        labels = route, strategy
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._begin(labels)
        place = bisect_left(BOUNDS, seconds)
        counts[place] += 1
        counts[-1] += seconds
        if self._shared.is_shared:
            keys = self._keys[labels]
            self._shared.set(keys[place], counts[place])
            self._shared.set(keys[-1], counts[-1])

    def _begin(self, labels: tuple[str, str]) -> list[float]:
        # A place for each bucket, one for what is slower, and the sum.
        counts = self._counts[labels] = [0.0] * (len(BOUNDS) + 2)
        named = dict(zip(("route", "strategy"), labels, strict=True))
        name, _ = SECONDS
        keys = [self._shared.key(f"{name}_bucket", {**named, "le": edge}) for edge in EDGES]
        self._keys[labels] = [*keys, self._shared.key(f"{name}_sum", named)]
        for key in self._keys[labels]:
            # All buckets are there from the first answer on, as they are in one process.
            self._shared.set(key, 0.0)
        return counts

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yields the histogram as Prometheus reads it."""
        family = HistogramMetricFamily(*SECONDS, labels=["route", "strategy"])
        for labels, counts in sorted(self._counts.items()):
            buckets, total = [], 0.0
            for edge, count in zip(EDGES, counts, strict=False):
                total += count
                buckets.append((edge, total))
            family.add_metric(labels, buckets, counts[-1])
        yield family


class CacheCounts(Collector):
    """Hits and misses of what is kept in memory: caches count, and say so now and then."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._shared = OwnValues("counter", *CACHES)

    def set(self, cache: str, hits: int, misses: int) -> None:
        """Keeps how often a cache had what was looked for, and had not, since the start."""
        for outcome, count in (("hit", hits), ("miss", misses)):
            self._counts[cache, outcome] = count
            key = self._shared.key(f"{CACHES[0]}_total", {"cache": cache, "outcome": outcome})
            self._shared.set(key, count)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yields the counters as Prometheus reads them."""
        family = CounterMetricFamily(*CACHES, labels=["cache", "outcome"])
        for labels, count in sorted(self._counts.items()):
            family.add_metric(labels, count)
        yield family


class ApiMetrics:
    """Counters of one process, in a registry of its own; `text` has those of all workers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latencies, self.caches = Latencies(), CacheCounts()
        self.registry.register(self.latencies)
        self.registry.register(self.caches)
        self.problems = self._counter("problems", "Requests refused, by problem.", "code")
        self.fallbacks = self._counter("fallbacks", "Answers that fell back, by why.", "why")
        self.stream_events = self._counter("stream_events", "Events told on streams of segments.")
        self.streams = Gauge(
            f"{PREFIX}_streams",
            "Open streams.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.dropped = self._counter("dropped_decisions", "Decisions that were not kept.")
        # Of several workers the oldest counts: one that stays behind is what is to be seen.
        self.version_age = self._gauge(
            "version_age_seconds", "Seconds since the version that is read was published."
        )
        self.lists_age = self._gauge(
            "lists_age_seconds", "Seconds since the lists of the version that is read were made."
        )
        self.is_behind = self._gauge(
            "version_behind", "1 where the current version is not read, since it is not whole."
        )
        self.content_age = self._gauge(
            "content_age_seconds", "Seconds since a source of content last answered.", "source"
        )
        self.content_failures = self._gauge(
            "content_failures", "Tries in a row that a source of content failed.", "source"
        )
        workers = Gauge(
            f"{PREFIX}_workers",
            "Processes that answer.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        workers.set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(
            f"{PREFIX}_{name}", text, labels, registry=self.registry, multiprocess_mode="livemax"
        )

    def text(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        return exposition(self.registry)
