"""What Spark is made to do inside a block: how many jobs, and which tables its plans scan.

A small run pays for the number of different plans, not for rows: tests hold bounds of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from py4j.java_gateway import is_instance_of
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

SQL = "org.apache.spark.sql.execution"
RELATION = f"{SQL}.datasources.LogicalRelation"
FILES = f"{SQL}.datasources.HadoopFsRelation"
DELTA = "Delta Table State"
CACHE = f"{SQL}.columnar.InMemoryRelation"


class Work:
    """What Spark did: the number of its jobs, and the tables that each of its plans scans."""

    def __init__(self, gateway: Any) -> None:
        self.gateway, self.jobs = gateway, 0
        self.plans: list[list[str]] = []
        """Per plan that was carried out, the folders that it scans, each as often as it does."""
        self._cached: set[str] = set()

    def scans_of(self, table: str) -> int:
        """Returns how many plans scan a table (`<layer>/<table>`); a cached frame is one plan."""
        return sum(any(folder.endswith(f"/{table}") for folder in plan) for plan in self.plans)

    def note(self, plan: Any) -> None:
        """Notes what a carried out plan scans, and what fills the caches that it meets first."""
        folders: list[str] = []
        for leaf in _elements(plan.collectLeaves()):
            if self._is(leaf, RELATION) and self._is(leaf.relation(), FILES):
                roots = _elements(leaf.relation().location().rootPaths())
                folders += [root.toString() for root in roots]
            if self._is(leaf, CACHE):
                self._note_cache(leaf.cacheBuilder())
        self.plans.append(folders)

    def _is(self, element: Any, kind: str) -> bool:
        # Delta's relations are subclasses without a name.
        return bool(is_instance_of(self.gateway, element, kind))

    def _note_cache(self, builder: Any) -> None:
        name = builder.toString()
        if name not in self._cached:
            self._cached.add(name)
            self.note(builder.logicalPlan())


@contextmanager
def spark_work(spark: SparkSession) -> Iterator[Work]:
    """Gives what Spark does inside the block, in any thread; complete once the block has ended.

    Other listeners of the session's plans are let go of: such blocks do not nest.
    """
    context: Any = spark.sparkContext
    ensure_callback_server_started(context._gateway)  # type: ignore[no-untyped-call]
    scheduler, bus = context._jsc.sc().dagScheduler(), context._jsc.sc().listenerBus()
    manager = spark._jsparkSession.listenerManager()
    work, before = Work(context._gateway), scheduler.numTotalJobs()
    bus.waitUntilEmpty()
    manager.register(_Listener(work))
    try:
        yield work
    finally:
        bus.waitUntilEmpty()
        # What was registered cannot be named again: Java gets a new proxy of it at every call.
        manager.clear()
        work.jobs = scheduler.numTotalJobs() - before


def kept_frames(spark: SparkSession) -> set[int]:
    """Returns Spark's numbers of all that is kept in memory or on disk, and was worked out.

    But for what Delta keeps of its tables' logs, which is its own affair. Compare by <=, not by ==:
    Spark's cleaner frees what nobody refers to any more at any time.
    """
    context: Any = spark.sparkContext
    kept = context._jsc.getPersistentRDDs()
    return {number for number in kept if not str(kept[number].name()).startswith(DELTA)}


class _Listener:
    """Spark's QueryExecutionListener."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def onSuccess(self, name: str, execution: Any, nanoseconds: int) -> None:  # noqa: N802
        """Hears of a plan that was carried out."""
        self.work.note(execution.optimizedPlan())

    def onFailure(self, name: str, execution: Any, error: Any) -> None:  # noqa: N802
        """Hears of one that failed."""
        self.work.note(execution.optimizedPlan())

    class Java:
        implements = ("org.apache.spark.sql.util.QueryExecutionListener",)


def _elements(sequence: Any) -> list[Any]:
    return [sequence.apply(place) for place in range(sequence.size())]
