"""What a run needs of this machine: Python, Java, jars, folders, memory."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sparkperso.cli.doctor.findings import Check, existing
from sparkperso.config import Settings
from sparkperso.core.errors import JobError
from sparkperso.core.places import local_path
from sparkperso.platform.jars import cache_dir, cached_jars, coordinates
from sparkperso.platform.java import require_java

PACKAGES = ("pyspark", "delta-spark", "mlflow", "deltalake", "pyarrow", "pandas", "scipy")
MIN_DISK_GB = 2.0
MIN_MEMORY_GB = 3.0
UI_PORT = 5000


def _python(settings: Settings) -> tuple[str, str]:
    number = ".".join(map(str, sys.version_info[:3]))
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        raise JobError(
            "Python should be 3.10 to 3.13", f"This is {number}", "Name another one: PYTHON=…"
        )
    return "ok", f"{number} ({sys.executable})"


def _packages(settings: Settings) -> tuple[str, str]:
    versions = {name: _version(name) for name in PACKAGES}
    absent = [name for name, number in versions.items() if number is None]
    if absent:
        raise JobError(
            "The locked packages should be installed",
            f"There is no {', no '.join(absent)}",
            "Run 'make setup', or 'pip install sparkperso[spark]'",
        )
    return "ok", ", ".join(f"{name} {number}" for name, number in versions.items())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _java(settings: Settings) -> tuple[str, str]:
    java = require_java()
    return "ok", f"{java.major} ({java.home})"


def _jars(settings: Settings) -> tuple[str, str]:
    if not settings.spark.manage_jars:
        return "ok", "brought by spark-submit or the platform (spark.manage_jars is off)"
    jars = cached_jars()
    if not jars:
        there = existing(str(cache_dir()))
        if not os.access(there, os.W_OK):
            raise JobError(
                "The folder of Spark's jars should be writable, or hold them already",
                f"{there} is not, for {cache_dir()}",
                "Set SPARKPERSO_JARS to another",
            )
        return "note", (
            f"not in {cache_dir()} yet: the first command that starts Spark fetches "
            f"{', '.join(coordinates())}; so does 'python -m sparkperso.platform.jars', once"
        )
    return "ok", f"{len(jars)} in {jars[0].parent}"


def _lake(settings: Settings) -> tuple[str, str]:
    lake = settings.lake
    if lake.catalog:
        return "ok", f"the catalog '{lake.catalog}' (not looked into)"
    folder = local_path(lake.root)
    if folder is None:
        return "ok", f"{lake.root} (not looked into)"
    settings.require_shared_lake()
    root, there = Path(folder).resolve(), existing(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise JobError(
            "The lake's folder should be writable",
            f"{there}: {error.strerror}",
            "Choose another with --lake, or fix what is named",
        ) from None
    return "ok", str(root) if there == root else f"{root} (will be made)"


def _loopback(settings: Settings) -> tuple[str, str]:
    # Spark's driver and its Python talk over loopback, which containers sometimes lack.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return "ok", "127.0.0.1 listens and answers"


def _ports(settings: Settings) -> tuple[str, str]:
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", UI_PORT)) == 0
    if taken:
        return "note", f"{UI_PORT} is taken: start MLflow's pages with 'sparkperso ui --port …'"
    return "ok", f"{UI_PORT} is free for 'sparkperso ui'"


def _disk(settings: Settings) -> tuple[str, str]:
    folder = None if settings.lake.catalog else local_path(settings.lake.root)
    lake = [existing(folder)] if folder else []
    places = {*lake, Path(tempfile.gettempdir())}
    free = {place: shutil.disk_usage(place).free / 1e9 for place in places}
    text = "free: " + ", ".join(f"{free[place]:.1f} GB in {place}" for place in sorted(free))
    if min(free.values()) < MIN_DISK_GB:
        return "note", f"{text}; the demo needs {MIN_DISK_GB:.0f} GB. See --lake and TMPDIR."
    return "ok", text


def _memory(settings: Settings) -> tuple[str, str]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    text = f"{total:.1f} GB in all, {settings.spark.driver_memory or 'default'} for the driver"
    if total < MIN_MEMORY_GB:
        return "note", f"{text}; set less, such as --set spark.driver_memory=1g"
    return "ok", text


def _tracking(settings: Settings) -> tuple[str, str]:
    uri = settings.tracking_uri
    if not uri.startswith("sqlite:///"):
        return "ok", f"{uri.rsplit('@')[-1]} (not looked into)"
    path = Path(uri.removeprefix("sqlite:///")).resolve()
    if not path.exists():
        return "ok", f"{path} (will be made)"
    try:
        # Not created: looking must leave nothing behind.
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=1)
        (n_runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        connection.close()
    except sqlite3.Error as error:
        raise JobError(
            f"{path} should be MLflow's database",
            str(error),
            "Move it away to start anew, or name another with --set tracking.uri=sqlite:///FILE",
        ) from None
    return "ok", f"{path} ({n_runs} runs)"


CHECKS: dict[str, Check] = {
    "Python": _python,
    "packages": _packages,
    "Java": _java,
    "Spark's jars": _jars,
    "lake": _lake,
    "loopback": _loopback,
    "port of the UI": _ports,
    "disk": _disk,
    "memory": _memory,
    "MLflow": _tracking,
}
