"""The local spool: `open/` holds the file being written, `ready/` those that were handed over."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from sparkperso.config.collect import SpoolConfig
from sparkperso.services.sinks.base import Line
from sparkperso.services.sinks.group_commit import GroupCommit
from sparkperso.services.sinks.spool_file import OWN_FILE, OWN_FOLDER, SpoolFile, recover

log = logging.getLogger("sparkperso.collect")


class Spool:
    """Lines in files named `YYYYMMDDTHHMMSS-NODE-NUMBER.jsonl`.

    1. Requests put lines; those that wait at the same time are one write and one fsync.
    2. A file goes from `open/` to `ready/` by a rename, at `rotate_bytes` or after
       `rotate_seconds`.
    3. What a failed write or a killed process left is cut back to whole lines, and handed over.
    """

    def __init__(self, folder: Path, config: SpoolConfig) -> None:
        self._open, self._ready = folder / "open", folder / "ready"
        self._config = config
        self._commits = GroupCommit(self._commit, config.max_pending_bytes)
        self._part: SpoolFile | None = None
        self._number = 0
        # Random, since a container's process ids and host name may come again: a file that was
        # handed over must never be replaced.
        self._node = (
            re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname()) + f"-{secrets.token_hex(6)}"
        )
        self._clock: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Makes the folders and hands over what a killed process left in `open/`."""
        self._open.parent.mkdir(OWN_FOLDER, parents=True, exist_ok=True)
        for folder in (self._open, self._ready):
            folder.mkdir(OWN_FOLDER, exist_ok=True)
            folder.chmod(OWN_FOLDER)
            for path in folder.glob("*.jsonl"):  # of an earlier version
                with suppress(FileNotFoundError):
                    path.chmod(OWN_FILE)
        # In the order of their names, which begin with their time.
        for path in sorted(self._open.glob("*.jsonl")):
            with suppress(FileNotFoundError):  # another collector was quicker
                recover(path, self._ready)
        self._clock = asyncio.create_task(self._tick())

    async def put(self, lines: Sequence[Line]) -> None:
        """Returns when the lines are on the disk, as `fsync` says; raises a 503 Problem else."""
        await self._commits.put(b"".join([line + b"\n" for _, line in lines]))

    async def check(self) -> str | None:
        """Returns why lines cannot be taken: the last failure, no folder, or a disk nearly full.

        Nearly full is a disk with less than `max_pending_bytes` free.
        """
        try:
            disk = os.statvfs(self._open)
        except OSError as error:
            return f"the folder of the spool cannot be written: {error.strerror}"
        if not os.access(self._open, os.W_OK | os.X_OK):
            return "the folder of the spool cannot be written: it is another user's"
        if disk.f_bavail * disk.f_frsize < self._config.max_pending_bytes:
            return f"the disk of the spool has less than {self._config.max_pending_bytes} bytes"
        return self._commits.failure

    async def close(self) -> None:
        """Writes what waits and hands the last file over; whoever calls takes no more requests."""
        if self._clock:
            self._clock.cancel()
        await self._commits.drain()
        await self._commits.run(self._hand_over)
        self._commits.close()

    def _commit(self, chunks: list[bytes]) -> None:
        groups = chunks if self._config.fsync == "each" else [b"".join(chunks)]
        self._part = self._part or self._new_part()
        try:
            for group in groups:
                self._part.append(group, self._config.fsync != "none")
        except Exception:
            broken, self._part = self._part, None
            broken.give_up(self._ready)
            raise
        if self._part.size >= self._config.rotate_bytes:
            self._hand_over()

    def _new_part(self) -> SpoolFile:
        while True:
            self._number += 1
            time = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
            with suppress(FileExistsError):
                return SpoolFile(self._open / f"{time}-{self._node}-{self._number:06d}.jsonl")

    def _hand_over(self) -> None:
        if self._part:
            self._part.hand_over(self._ready)
            self._part = None

    async def _tick(self) -> None:
        def hand_over_old() -> None:
            if self._part and self._part.age >= self._config.rotate_seconds:
                self._hand_over()

        while True:
            await asyncio.sleep(min(1.0, self._config.rotate_seconds / 4))
            try:
                await self._commits.run(hand_over_old)
            except Exception as error:  # the next tick does it
                log.warning("a file of the spool was not handed over: %r", error)
