"""Which store the configuration asks for. Neither client is imported before it is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sparkperso.config import Settings
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import ConfigError
from sparkperso.core.places import user_cache
from sparkperso.services.stores.base import Store

if TYPE_CHECKING:
    from sparkperso.services.stores.overlay import Overlay
    from sparkperso.services.stores.readers import StoreReader
    from sparkperso.services.stores.redis_place import RedisPlace


def open_store(settings: Settings) -> Store:
    """Returns the configured store.

    Raises ConfigError for LMDB without a folder of this machine, and where the extra `serve` is not
    installed.
    """
    with _installed():
        if settings.store.kind == "redis":
            from sparkperso.services.stores.redis_store import RedisStore

            return RedisStore(redis_place(settings), file_cache(settings))
        from sparkperso.services.stores.lmdb_store import LmdbStore

        return LmdbStore(store_folder(settings))


def open_overlay(settings: Settings) -> Overlay:
    """Returns the overlay of the configured store; raises ConfigError as `open_store` does."""
    with _installed():
        from sparkperso.services.stores.overlay import LmdbOverlay, RedisOverlay

        if settings.store.kind == "redis":
            return RedisOverlay(redis_place(settings))
        return LmdbOverlay(store_folder(settings))


def open_reader(settings: Settings) -> StoreReader:
    """Returns the configured store as an event loop reads it, its current version open.

    Raises ConfigError as `open_store` does; a store that does not answer is a `problem` of the
    reader's.
    """
    with _installed():
        from sparkperso.services.stores.live import LiveStore
        from sparkperso.services.stores.readers import DirectReader, RedisReader

        live = LiveStore(open_store(settings), open_overlay(settings))
        if settings.store.kind == "redis":
            return RedisReader(live, redis_place(settings))
        return DirectReader(live)


def store_folder(settings: Settings) -> Path:
    """Returns the folder of LMDB's store: `store.folder`, or `_serving` beside the lake's tables.

    Raises ConfigError when neither is on this machine.
    """
    folder = settings.store.folder or settings.beside_tables("_serving")
    if folder is None:
        raise ConfigError(
            "A serving store of LMDB should be in a folder of this machine",
            f"lake.root is '{settings.lake.root}', and store.folder is not set",
            "Set store.folder, or use Redis: store.kind: redis",
        )
    return Path(folder)


def file_cache(settings: Settings) -> Path | None:
    """Returns the folder for this machine's copies of Redis's files; None: it has none for them."""
    named = settings.store.redis.cache_folder
    if named:
        return Path(named)
    cache = user_cache()
    return cache / "sparkperso" / "serving" if cache else None


def redis_place(settings: Settings) -> RedisPlace:
    """Returns where the configured Redis is, with its password."""
    from sparkperso.services.stores.redis_place import RedisPlace

    config = settings.store.redis
    password = read_secret(config.password_env, os.environ)
    return RedisPlace(config.url, config.prefix, config.timeout_seconds, config.username, password)


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as missing:
        raise ConfigError(
            "The serving store needs the extra 'serve' (LMDB and Redis)",
            str(missing),
            "Install it: pip install 'sparkperso[serve]'",
        ) from None
