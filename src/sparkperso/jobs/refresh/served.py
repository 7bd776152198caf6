"""What is served, as it is before a refresh, and how it is put back where one fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparkperso.config import Settings
from sparkperso.core.causes import cause_of
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.jobs.build_recommendations.job import STEP as BUILD_RECOMMENDATIONS
from sparkperso.jobs.refresh.canary import canary_files
from sparkperso.jobs.train_recommender.job import MODEL
from sparkperso.jobs.train_recommender.model_aliases import CHAMPION, PREVIOUS, named
from sparkperso.pipeline.job import Job
from sparkperso.services.stores.factory import open_store

if TYPE_CHECKING:
    from sparkperso.platform.tracking import ModelVersion

LISTS = BUILD_RECOMMENDATIONS.outputs
"""The tables that services answer from, and that change with the champion."""


@dataclass(frozen=True)
class Served:
    """Champions, versions of the lists' tables, the store's current version."""

    aliases: Mapping[str, ModelVersion | None]
    tables: Mapping[str, int | None]
    """Table → its Delta version; None where it is not there."""
    store: str | None
    """None where the store has no version, or there is no store."""
    files: Mapping[Path, bytes | None]
    """Files of the canary's experiment → content; None where one is not there."""

    def __str__(self) -> str:
        """Returns what is served, for a message."""
        champion = f"champion is {named(self.aliases[CHAMPION])}"
        return champion if self.store is None else f"{champion}, the store serves {self.store}"


def what_is_served(job: Job, *aliases: str) -> Served:
    """Returns what is served now, and where more aliases point.

    Raises TrackingError where the registry does not say.
    """
    return Served(
        {alias: job.tracking.by_alias(MODEL, alias) for alias in (CHAMPION, PREVIOUS, *aliases)},
        {name: job.lake.ref(name).version() for name in LISTS},
        current_version(job.settings),
        {path: path.read_bytes() if path.exists() else None for path in canary_files(job)},
    )


def current_version(settings: Settings) -> str | None:
    """Returns the store's current version, None where there is none, or no store.

    Without the extra `serve`, or a folder for it, there is no store, unless `run` is to publish.
    """
    try:
        store = open_store(settings)
    except ConfigError:
        if settings.publish.in_run:
            raise
        return None
    try:
        return store.current()
    finally:
        store.close()


def put_back(job: Job, before: Served) -> list[str]:
    """Makes what is served what it was; returns what could not be put back, a sentence each.

    What did not change is not written. First the lists, which nobody reads without publishing;
    then the aliases; last the store, where a publication failed after its switch.
    """
    works: list[tuple[str, Callable[[], None]]] = [
        *(
            (name, lambda n=name, v=v: job.writer(n).restore(v))
            for name, v in before.tables.items()
        ),
        *((f"alias {a}", lambda a=a, v=v: _point(job, a, v)) for a, v in before.aliases.items()),
        ("the store", lambda: _roll_back(job.settings, before.store)),
        *((path.name, lambda p=path, b=data: _write(p, b)) for path, data in before.files.items()),
    ]
    faults = []
    for what, work in works:
        try:
            work()
        except Exception as error:  # each is put back, whatever became of the others
            faults.append(f"{what} could not be put back: {cause_of(error)}")
    return faults


def _point(job: Job, alias: str, version: ModelVersion | None) -> None:
    now = job.tracking.by_alias(MODEL, alias)
    if version is None:
        if now is not None:
            job.tracking.remove_alias(MODEL, alias)
    elif now is None or now.version != version.version:
        job.tracking.set_alias(MODEL, alias, version.version)


def _write(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def _roll_back(settings: Settings, version: str | None) -> None:
    if current_version(settings) == version or version is None:
        return
    store = open_store(settings)
    try:
        found, _ = store.rollback()
    finally:
        store.close()
    if found != version:
        raise JobError(
            f"The store should serve {version} again",
            f"The version before its current one was {found}",
            "Publish anew",
        )
