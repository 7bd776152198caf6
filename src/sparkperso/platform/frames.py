"""What is worked out once for several uses and then let go: frames, and values sent to all tasks.

There is one life cycle. Inside a block, `cached`, `pinned` and `broadcast` give what is kept until
the block ends. What a function returns rests on things that outlive the function: it keeps them
with `keep_cached`, `keep_pinned`, `keep_broadcast`, and they are let go of when the innermost open
`Keeper` ends, in turn, the latest first, also after a failure:

    with Keeper():
        prepared = prepare_fold(fold, …)
        …

A job runs inside one (`pipeline.step.carry_out`); what has a shorter life opens another. Where none
is open, in a notebook, things stay for as long as the session. A keeper is open in the thread that
opened it: threads below it keep in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.sql import DataFrame, SparkSession

if TYPE_CHECKING:
    from pyspark import Broadcast, StorageLevel

T = TypeVar("T")


@contextmanager
def cached(frame: DataFrame) -> Iterator[DataFrame]:
    """Gives the frame, which is worked out at its first use and kept for further ones.

    In memory, the rest on disk. Whoever writes a Delta table makes Spark work out anew what it
    cached of it.
    """
    kept = frame.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


@contextmanager
def pinned(frame: DataFrame, level: StorageLevel | None = None) -> Iterator[DataFrame]:
    """Gives the frame's rows as they are now, worked out at once; its plan is forgotten.

    For what would change when it is worked out again, since a table that it reads is written
    meanwhile, and for plans that would grow with every round. A lost executor takes its rows along.
    They lie in memory, the rest on disk, unless `level` says otherwise.
    """
    kept = frame.localCheckpoint(storageLevel=level)
    try:
        yield kept
    finally:
        # The rows are an RDD that only the plan knows: `unpersist` of the frame does not see it.
        plan: Any = kept._jdf.queryExecution().logical()
        plan.rdd().unpersist(False)


@contextmanager
def broadcast(spark: SparkSession, value: T) -> Iterator[Broadcast[T]]:
    """Gives the value as tasks read it, sent to each process once.

    Destroyed at the end: `unpersist` would leave the driver its copy, and those fill its memory.
    """
    sent = spark.sparkContext.broadcast(value)
    try:
        yield sent
    finally:
        sent.destroy()


class Keeper(ExitStack["bool | None"]):
    """Keeps what is worked out while it is open, until it is closed."""

    _token: Token[Keeper | None] | None = None

    def cached(self, frame: DataFrame) -> DataFrame:
        """Returns the frame, worked out once until the keeper is closed."""
        return self.enter_context(cached(frame))

    def pinned(self, frame: DataFrame) -> DataFrame:
        """Returns the frame's rows as they are now, until the keeper is closed."""
        return self.enter_context(pinned(frame))

    def broadcast(self, spark: SparkSession, value: T) -> Broadcast[T]:
        """Returns the value as tasks read it, until the keeper is closed."""
        return self.enter_context(broadcast(spark, value))

    def __enter__(self) -> Keeper:
        """Opens it for the functions that keep something and return."""
        self._token = _OPEN.set(self)
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets go of everything."""
        if self._token is not None:
            _OPEN.reset(self._token)
            self._token = None
        super().__exit__(kind, error, trace)


_OPEN: ContextVar[Keeper | None] = ContextVar("keeper", default=None)


def keep_cached(frame: DataFrame) -> DataFrame:
    """Returns the frame `cached` until the open keeper ends."""
    keeper = _OPEN.get()
    return keeper.cached(frame) if keeper else frame.persist()


def keep_pinned(frame: DataFrame) -> DataFrame:
    """Returns the frame's rows `pinned` until the open keeper ends."""
    keeper = _OPEN.get()
    return keeper.pinned(frame) if keeper else frame.localCheckpoint()


def keep_broadcast(spark: SparkSession, value: T) -> Broadcast[T]:
    """Returns the value as tasks read it until the open keeper ends."""
    keeper = _OPEN.get()
    return keeper.broadcast(spark, value) if keeper else spark.sparkContext.broadcast(value)
