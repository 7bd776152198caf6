"""What the services need: the store, secrets, where decisions go, and sound triggers."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sparkperso.cli.doctor.findings import Check, existing
from sparkperso.config import Settings
from sparkperso.config.secret import read_secret
from sparkperso.core.errors import ConfigError, JobError
from sparkperso.privacy import load_keys

MIN_REDIS = (6, 2)
"""Ranges of streams that leave their beginning out are the newest that is used of it."""
CONNECT_SECONDS = 2.0
LONG_ENOUGH = 32
OURS = {"from_env", "key_env", "previous_key_env"}
"""Settings of secrets that nobody gives us: how long they are is up to us."""


def _store(settings: Settings) -> tuple[str, str]:
    try:
        return _redis(settings) if settings.store.kind == "redis" else _lmdb(settings)
    except ConfigError as error:
        # Who runs jobs alone needs none of it.
        return "note", str(error)


def _lmdb(settings: Settings) -> tuple[str, str]:
    from sparkperso.services.stores.factory import open_store, store_folder

    folder = store_folder(settings)
    there = existing(str(folder))
    if not os.access(there, os.W_OK | os.X_OK):
        raise JobError(
            "The serving store's folder should be writable",
            f"{there} is not, for {folder}",
            "Let this user write there, or name another folder: store.folder",
        )
    if not folder.is_dir():
        return "ok", f"{folder} (will be made by 'sparkperso publish')"
    store = open_store(settings)
    chain = store.chain()
    if not chain:
        return "note", f"{folder} has no version yet: run 'sparkperso publish'"
    with store.open(chain[0]) as version:  # raises what is wrong with it, and what to do
        count = sum(version.manifest.counts.values())
    return "ok", f"{folder}: version {chain[0]} is whole, {count:,} records"


def _redis(settings: Settings) -> tuple[str, str]:
    from sparkperso.services.stores.factory import open_store, redis_place
    from sparkperso.services.stores.redis_place import answering

    place = redis_place(settings)
    with answering(place):
        client = place.connect()
        told: Mapping[str, Any] = client.info("server")
        memory: Mapping[str, Any] = client.info("memory")
    number = str(told["redis_version"])
    if tuple(map(int, number.split(".")[:2])) < MIN_REDIS:
        raise JobError(
            f"Redis should be {'.'.join(map(str, MIN_REDIS))} or newer",
            f"It is {number}",
            "Update the server",
        )
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise JobError(
            "Redis should keep what it was told (maxmemory-policy noeviction)",
            f"Its policy is {policy}: it would forget parts of a version",
            "Set it: redis-cli config set maxmemory-policy noeviction, and in its configuration",
        )
    store = open_store(settings)
    chain = store.chain()
    if not chain:
        return "note", f"Redis {number} has no version yet: run 'sparkperso publish'"
    with store.open(chain[0]) as version:
        count = sum(version.manifest.counts.values())
    return "ok", f"Redis {number}: version {chain[0]} is whole, {count:,} records"


def _secrets(settings: Settings) -> tuple[str, str]:
    load_keys(settings.privacy, settings.env, os.environ)
    problems, found = [], []
    for variable, is_ours in sorted(set(variables(settings.model_dump()))):
        secret = read_secret(variable, os.environ)
        if secret is None:
            continue
        found.append(variable)
        if is_ours and len(secret) < LONG_ENOUGH:
            problems.append(
                f"{variable} has {len(secret)} characters: make one of {LONG_ENOUGH} or more, such "
                "as by 'openssl rand -hex 32'"
            )
        named = os.environ.get(f"{variable}_FILE")
        if named and stat.S_IMODE(Path(named).stat().st_mode) & 0o077:
            problems.append(f"others may read {named} of {variable}: run 'chmod 600 {named}'")
    problems += _callers(settings)
    if problems:
        return "note", "; ".join(problems)
    if settings.env == "local":
        return "ok", "those of --env local, which are none"
    return "ok", f"there, long enough, and only this user's: {', '.join(found)}"


def _callers(settings: Settings) -> Iterator[str]:
    """What keeps `sparkperso serve` from starting, or a page from asking it."""
    from sparkperso.services.access.access import make_access
    from sparkperso.services.access.browser_tokens import make_browser_tokens

    security = settings.security
    try:
        browser = make_browser_tokens(security.browser, settings.env, os.environ)
        make_access(settings, browser)
    except ConfigError as error:
        yield str(error)
        return
    if browser is None:
        yield (
            f"pages get no tokens: {security.browser.key_env} is not set; make one by "
            "'openssl rand -hex 32'"
        )


def variables(value: Any, name: str = "") -> Iterator[tuple[str, bool]]:
    """Yields the environment variables that the settings take secrets from; whether we make it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from variables(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from variables(inner, name)
    elif isinstance(value, str) and name.endswith("_env"):
        yield value, name in OURS


def _decisions(settings: Settings) -> tuple[str, str]:
    if not settings.api.log_decisions:
        return "ok", "none are kept (api.log_decisions is off)"
    if settings.collect.sink == "kafka":
        return _brokers(settings.collect.kafka.bootstrap)
    from sparkperso.services.sinks.factory import spool_folder

    try:
        folder = spool_folder(settings) / "decisions"
    except ConfigError as error:
        return "note", str(error)
    there, need = existing(str(folder)), settings.collect.spool.max_pending_bytes
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        raise JobError(
            "The folder of decisions should be writable",
            f"{there} is not, for {folder}",
            "Let this user write there, or name another: collect.spool.path",
        )
    if (free := shutil.disk_usage(there).free) < need:
        raise JobError(
            f"The disk of decisions should have {need:,} bytes free",
            f"{there} has {free:,}",
            "Make room, or name another folder: collect.spool.path",
        )
    return "ok", f"{folder}" + ("" if there == folder else " (will be made)")


def triggers_of(conf_dir: Path | None) -> Check:
    """Returns the check of the triggers in a conf/ folder: none is no fault."""

    def look(settings: Settings) -> tuple[str, str]:
        from sparkperso.services.triggers.definitions import load_triggers

        ready = load_triggers(settings, os.environ, conf_dir).ready
        return "ok", f"{len(ready)} sound: {', '.join(ready)}" if ready else "none is enabled"

    return _of_services(look)


def _brokers(bootstrap: str) -> tuple[str, str]:
    """Says whether one of Kafka's brokers takes connections, which needs no client of it."""
    failures = []
    for broker in bootstrap.split(","):
        host, _, port = broker.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
                return "ok", f"Kafka at {broker.strip()} takes connections"
        except (OSError, ValueError) as error:
            failures.append(f"{broker.strip()}: {error}")
    raise JobError(
        "One of Kafka's brokers should take connections",
        "; ".join(failures),
        "Start it, set collect.kafka.bootstrap, or write files: collect.sink: spool",
    )


def _of_services(check: Check) -> Check:
    """Returns a check that is a note where the services are not installed."""

    def look(settings: Settings) -> tuple[str, str]:
        try:
            return check(settings)
        except ModuleNotFoundError as missing:
            return "note", f"{missing}; services need it: pip install 'sparkperso[serve]'"

    return look


CHECKS: dict[str, Check] = {
    "serving store": _of_services(_store),
    "secrets": _of_services(_secrets),
    "decisions": _of_services(_decisions),
    "triggers": triggers_of(None),
}
