"""A real Spark standalone cluster on loopback, to which jobs are submitted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sparkperso.core.errors import JobError
from sparkperso.platform.class_archive import java_options
from sparkperso.platform.jars import cache_dir, spark_home
from sparkperso.platform.java import require_java

HOST = "127.0.0.1"
DEPLOY = "org.apache.spark.deploy"
START_SECONDS = 180
# Short runs: the optimising compiler would take longer than it saves.
# One compiler has 48 MB for its code by default: full after some minutes, it stops for good.
SHORT_RUN = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m"


@dataclass(frozen=True)
class Cluster:
    """A running master with its workers."""

    url: str
    web: str
    folder: Path

    def alive_workers(self) -> int:
        """Returns how many workers have registered; -1 while the master is not up yet."""
        try:
            with urllib.request.urlopen(f"{self.web}/json/", timeout=2) as answer:
                return int(json.load(answer)["aliveworkers"])
        except (OSError, ValueError):
            return -1


@contextmanager
def standalone_cluster(
    folder: Path, n_workers: int = 2, memory: str = "1200m"
) -> Iterator[Cluster]:
    """Starts a master and workers of one core each, and stops them (nothing else) at the end.

    Logs and work folders go under `folder`. Raises JobError when they do not come up.
    """
    port, web_port = free_port(), free_port()
    cluster = Cluster(f"spark://{HOST}:{port}", f"http://{HOST}:{web_port}", folder)
    with ExitStack() as stack:
        master = ["master.Master", "--port", str(port), "--webui-port", str(web_port)]
        stack.enter_context(_daemon(folder, "master", master))
        _wait(cluster, 0)
        for number in range(n_workers):
            worker = ["worker.Worker", "--cores", "1", "--memory", memory, "--webui-port", "0"]
            worker += ["--work-dir", str(folder / f"work-{number}"), cluster.url]
            stack.enter_context(_daemon(folder, f"worker-{number}", worker))
        _wait(cluster, n_workers)
        yield cluster


def submit(
    line: Sequence[str], folder: Path, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Runs a spark-submit line in a folder and returns its exit status and output.

    What its --packages name is kept beside the cache of jars. Raises subprocess.TimeoutExpired
    after `timeout` seconds; a job that fails is no error here.
    """
    small = ["--driver-memory", "1g", "--executor-memory", "1g"]
    small += ["--driver-java-options", _options_of_java()]
    small += ["--conf", f"spark.executor.extraJavaOptions={_options_of_java()}"]
    small += ["--conf", "spark.log.level=WARN"]
    small += ["--conf", f"spark.jars.ivy={_ivy()}"]
    command = [str(spark_home() / "bin" / line[0]), *small, *line[1:]]
    return subprocess.run(
        command,
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _ivy() -> Path:
    return cache_dir().with_name(f"{cache_dir().name}-ivy")


def free_port() -> int:
    """Returns a port of loopback that nobody listens on now."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def _daemon(folder: Path, name: str, line: Sequence[str]) -> Iterator[None]:
    """Runs one of Spark's daemons in a process group of its own, ended with the block."""
    command = [str(spark_home() / "bin" / "spark-class"), f"{DEPLOY}.{line[0]}"]
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", HOST, *line[1:]],
            env={
                **_environment(),
                "SPARK_DAEMON_MEMORY": "512m",
                "SPARK_DAEMON_JAVA_OPTS": _options_of_java(),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the daemon; then what is left of its group, such as a worker's executors."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=20)


def _wait(cluster: Cluster, n_workers: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while cluster.alive_workers() < n_workers:
        if time.monotonic() > deadline:
            raise JobError(
                f"A master and {n_workers} workers should be up within {START_SECONDS} seconds",
                f"{max(cluster.alive_workers(), 0)} workers have registered",
                f"Read the logs in {cluster.folder}",
            )
        time.sleep(0.3)


def _options_of_java() -> str:
    return " ".join([SHORT_RUN, *java_options()])


def _environment() -> dict[str, str]:
    """Returns the environment of the daemons and of spark-submit: loopback, this interpreter."""
    return {
        **os.environ,
        "JAVA_HOME": str(require_java().home),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }
