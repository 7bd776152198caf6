"""Asks the sources for changes: by time, and when they say that there are some."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio import to_thread

from sparkperso.config import Settings
from sparkperso.core.errors import JobError
from sparkperso.core.times import now
from sparkperso.services.content.cache import ContentCache, SourceStatus
from sparkperso.services.content.copies import State
from sparkperso.services.content.sources import Sources
from sparkperso.services.content.webhooks import Headers, Webhooks
from sparkperso.services.http.outbound import open_outbound

LOG = logging.getLogger("sparkperso.content")
WATCH_SECONDS = 1.0
"""How often this process looks for copies that another one wrote."""
FIRST_RETRY_SECONDS = 5.0
"""After a failure a source is asked again, after each further one in twice the time."""
BUSY_SECONDS = 0.2
"""How often it is tried to ask a source that another process is asking."""


class ContentRefresh:
    """Keeps a cache fresh while `run` runs. What fails is noted and tried again; nothing ends it.

    Of several processes of a machine one asks a source at a time; the others take its copy.
    """

    def __init__(self, cache: ContentCache, sources: Sources, settings: Settings) -> None:
        self._cache, self._sources, self._cms = cache, sources, settings.cms
        self._called = {name: anyio.Event() for name in settings.cms.sources}
        self._delays: dict[str, float] = {}

    async def run(self) -> None:
        """Asks each source in its time, until it is cancelled."""
        for text in self._cache.waiting.values():
            LOG.warning("Left out until its content is there: %s", text)
        async with anyio.create_task_group() as group:
            for name in self._cms.sources:
                if self._cache.waiting:
                    self.call(name)
                group.start_soon(self._follow, name)
            if self._cms.sources:
                group.start_soon(self._watch)

    def call(self, source: str, delay: float = 0.0) -> None:
        """Has a source asked `delay` seconds from now; further calls until then are one."""
        self._delays[source] = delay
        self._called[source].set()

    async def refresh(self, source: str) -> SourceStatus:
        """Asks a source now, and returns how it is then; waits for a process that is asking it."""
        while True:
            with self._cache.copies.asking(source) as is_free:
                if is_free:
                    return await self._ask(source)
            await anyio.sleep(BUSY_SECONDS)

    async def _ask(self, source: str) -> SourceStatus:
        tried_at = now()
        try:
            mapped = await self._sources.fetch(source)
        except JobError as error:
            return await to_thread.run_sync(self._cache.fail, source, str(error), tried_at)
        return await to_thread.run_sync(self._cache.accept, source, mapped, tried_at)

    async def _follow(self, source: str) -> None:
        while True:
            is_called = await self._wait(source)
            try:
                if is_called:
                    self._log(source, await self.refresh(source))
                    continue
                with self._cache.copies.asking(source) as is_free:
                    # Another process may have asked in the meantime: its answer is ours.
                    if is_free and self._seconds_until_due(source) <= 0:
                        self._log(source, await self._ask(source))
                if not is_free:
                    await anyio.sleep(WATCH_SECONDS)
            except JobError as error:
                LOG.error("Source %s: %s", source, error)
                await anyio.sleep(FIRST_RETRY_SECONDS)
            except Exception:
                # Whatever it is, the source is asked again: what is shown stays.
                LOG.exception("Source %s could not be refreshed", source)
                await anyio.sleep(FIRST_RETRY_SECONDS)

    async def _wait(self, source: str) -> bool:
        """Waits until a source is to be asked; returns whether it called."""
        seconds = await to_thread.run_sync(self._seconds_until_due, source)
        with anyio.move_on_after(max(seconds, 0)):
            await self._called[source].wait()
        if not self._called[source].is_set():
            return False
        await anyio.sleep(self._delays.get(source, 0.0))
        self._called[source] = anyio.Event()
        return True

    def _seconds_until_due(self, source: str) -> float:
        state = self._cache.state(source)
        if state.tried_at is None or state.settings != self._cache.settings_of(source):
            return 0.0
        since = (now() - state.tried_at).total_seconds()
        # Below 0 the clock was set back: else the source were asked when it has caught up.
        return self._interval(source, state) - since if since >= 0 else 0.0

    def _interval(self, source: str, state: State) -> float:
        seconds = self._cms.sources[source].refresh_seconds or self._cms.refresh_seconds
        if state.failures:
            # Bounded before it is worked out: 2 to the 2,000th is no float.
            seconds = min(seconds, FIRST_RETRY_SECONDS * 2.0 ** min(state.failures - 1, 30))
        # Of the moment of the last try: the same each time it is asked for.
        share = random.Random(f"{source} {state.tried_at}").uniform(-1, 1)
        return seconds * (1 + self._cms.jitter * share)

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(WATCH_SECONDS)
            try:
                if await to_thread.run_sync(self._cache.reload):
                    LOG.info("Content that another process fetched is shown")
            except Exception:
                LOG.exception("Copies of content could not be looked at")

    def _log(self, source: str, status: SourceStatus) -> None:
        state = status.state
        if state.error:
            LOG.warning("Source %s, failure %d: %s", source, state.failures, state.error)
            return
        LOG.info("Source %s is fresh: content %d", source, status.contents)
        for problem in state.problems:
            LOG.warning("Source %s: left out: %s", source, problem)


class ContentService:
    """Content for a service: what is shown now, how its sources are, and their webhooks."""

    def __init__(self, cache: ContentCache, refresh: ContentRefresh, webhooks: Webhooks) -> None:
        self.cache, self.refresh, self._webhooks = cache, refresh, webhooks

    def hook(self, source: str, method: str, path: str, headers: Headers, body: bytes) -> None:
        """Has a source asked that says that it changed; raises a Problem, see `Webhooks.check`.

        To be called where `refresh.run` runs, in the same event loop.
        """
        self.refresh.call(source, self._webhooks.check(source, method, path, headers, body))


@asynccontextmanager
async def open_content(
    settings: Settings,
    environ: Mapping[str, str],
    conf_dir: Path | None = None,
    cache: ContentCache | None = None,
) -> AsyncIterator[ContentService]:
    """Opens the content of a service, and keeps it fresh for as long as the block lasts.

    At once it is what the copies say: no other machine is waited for. `cache` is made here, unless
    it is given. Raises ConfigError for
    faults of conf/, a source that may not be called, and a secret that is missing.
    """
    cache = cache or ContentCache(settings, conf_dir)
    async with open_outbound(settings.outbound) as client:
        refresh = ContentRefresh(cache, Sources(settings, client, environ), settings)
        service = ContentService(cache, refresh, Webhooks(settings, environ))
        # No task group around the block: it would wrap each error that leaves it.
        task = asyncio.create_task(refresh.run())
        try:
            yield service
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
