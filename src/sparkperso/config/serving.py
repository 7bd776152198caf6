"""The sections `store` and `publish`: where services read from, and what is published there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparkperso.core.section import Section


class RedisConfig(Section):
    """A Redis server."""

    url: str = Field(default="redis://127.0.0.1:6379/0", pattern=r"^(rediss?|unix)://[^@]*$")
    """Address without a login; `rediss://` with TLS."""
    username: str | None = None
    """Name to log in with; None: Redis's default user."""
    password_env: str = "SPARKPERSO_REDIS_PASSWORD"
    """Environment variable that holds the password; with `_FILE` after it, one that names a file.
    Unset: no password."""
    prefix: str = Field(default="sparkperso", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """Before each key, so that several shops share a server."""
    timeout_seconds: float = Field(default=5.0, gt=0)
    """How long to wait for an answer."""
    cache_folder: str | None = None
    """Folder for this machine's copy of the session index, which its processes share; None:
    `sparkperso/serving` in the user's cache. Where it cannot be written, each process holds the
    index in its own memory."""


class StoreConfig(Section):
    """The serving store: what was published, as services read it."""

    kind: Literal["lmdb", "redis"] = "lmdb"
    """`lmdb`: files for the processes of one machine; `redis`: a server for several machines."""
    folder: str | None = None
    """Folder of LMDB's files; None means `<lake.root>/_serving`."""
    redis: RedisConfig = Field(default_factory=RedisConfig)


class PublishConfig(Section):
    """What `publish` demands, and what it keeps."""

    in_run: bool = False
    """Whether `run` ends by publishing."""
    keep_versions: int = Field(default=3, ge=1, le=100)
    """Versions that stay in the store, the current one among them; 1 leaves none to go back to."""
    min_coverage: float = Field(default=0.9, ge=0, le=1)
    """Least share of the records of the version before, in each namespace, and of its sessions, for
    a version to become current."""
    sample_reads: int = Field(default=20, ge=1, le=1000)
    """Users whose lists, and sessions whose next items, are read back and compared with the tables
    before a version is current."""
