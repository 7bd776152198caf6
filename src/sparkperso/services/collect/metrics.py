"""What the collector counts, for Prometheus. No label comes from a client unchecked."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

OTHER = "other"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one collector, in a registry of its own."""

    def __init__(self, event_types: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        self._types = frozenset(event_types)
        names = ["site", "event_type", "status", "purpose"]
        self._events = self._counter("events", "Events, by what became of them.", names)
        self._bound: dict[tuple[str, ...], Counter] = {}
        self.masked = self._counter("masked", "E-mails and card numbers masked in text.", ["site"])
        self.warnings = self._counter(
            "warnings", "Accepted events that ingest will keep in quarantine.", ["site", "code"]
        )
        self.visits = self._counter("visits", "Visits without consent, by day.", ["site", "day"])
        self.problems = self._counter("problems", "Requests refused, by problem.", ["code"])
        self.pixels = self._counter("pixels", "Open pixels and clicks.", ["kind", "outcome"])
        self.sockets = Gauge(
            "sparkperso_collect_sockets", "Open WebSockets.", registry=self.registry
        )
        self.seconds = Histogram(
            "sparkperso_collect_sink_seconds",
            "Seconds until the sink had the events of a request.",
            buckets=BUCKETS,
            registry=self.registry,
        )

        self.overlay_dropped = self._counter(
            "overlay_dropped", "Recent events that lists do not heed: too many waited.", []
        )
        self.overlay_failures = self._counter(
            "overlay_failures", "Writes to the serving store that failed and are tried again.", []
        )

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"sparkperso_collect_{name}", text, labels, registry=self.registry)

    def event(
        self, site: str, event_type: str, status: str, purpose: str = "", count: int = 1
    ) -> None:
        """Counts events of one type, as sent: one that no plan knows counts as `other`."""
        kind = event_type if event_type in self._types else OTHER
        labels = (site, kind, status, purpose)
        # Kept, since prometheus_client looks labels up under a lock.
        bound = self._bound.get(labels)
        if bound is None:
            bound = self._bound[labels] = self._events.labels(*labels)
        bound.inc(count)

    def visits_of(self, site: str) -> int:
        """Returns the visits of a site, of all days, that were counted since the start."""
        samples = [sample for metric in self.visits.collect() for sample in metric.samples]
        own = [s for s in samples if s.name.endswith("_total") and s.labels["site"] == site]
        return int(sum(sample.value for sample in own))

    def text(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        return generate_latest(self.registry)
