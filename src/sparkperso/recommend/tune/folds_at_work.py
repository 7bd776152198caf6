"""Work on folds, done where they are: in tasks, or in threads of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.fit.driver_folds import DriverFold
from sparkperso.recommend.fit.task_runner import OnDone, ignore, in_tasks, in_threads
from sparkperso.recommend.fit.trial import Work


def worked(
    prepared_folds: Mapping[int, PreparedFold | DriverFold],
    chunks: int,
    work: Work,
    on_done: OnDone = ignore,
) -> list[Any]:
    """Returns what work gives for each fold and chunk, done where the folds are."""
    here = {
        fold: prepared.in_memory
        for fold, prepared in prepared_folds.items()
        if isinstance(prepared, DriverFold)
    }
    frames = {
        fold: prepared.profiles
        for fold, prepared in prepared_folds.items()
        if isinstance(prepared, PreparedFold)
    }
    if here:
        return in_threads(here, chunks, work, on_done)
    return in_tasks(frames, chunks, work, on_done)
