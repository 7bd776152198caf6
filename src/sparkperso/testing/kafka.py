"""A real Kafka broker (KRaft, one process) on loopback, which tests stop and start as they like.

`python -m sparkperso.testing.kafka` fills the cache of its jars, once with a network.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sparkperso.core.errors import JobError, UsageError
from sparkperso.platform.jars import COMPLETE, cache_dir, download, spark_home
from sparkperso.platform.java import require_java
from sparkperso.testing.cluster import HOST, free_port

VERSION = "4.1.0"
COORDINATES = (f"org.apache.kafka:kafka_2.13:{VERSION}", f"org.apache.kafka:kafka-tools:{VERSION}")
START_SECONDS = 90
STOP_SECONDS = 30
TOOL_SECONDS = 120
HEAP = ("-Xms128m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


@dataclass
class Broker:
    """A broker with its data in `folder`; the same port and data through every restart."""

    folder: Path
    port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Returns the address to give to clients."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Starts the broker and waits until it serves; raises JobError when it does not."""
        if not (self.folder / "data").exists():
            self._format()
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                _command("kafka.Kafka", str(self._properties())),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment(),
                start_new_session=True,
            )
        self._wait()

    def stop(self) -> None:
        """Ends the broker as an operator does; does nothing when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the broker without warning."""
        self._end(signal.SIGKILL)

    def tool(self, name: str, *arguments: str) -> str:
        """Runs one of Kafka's command-line tools and returns what it printed.

        `name` is its class, as org.apache.kafka.tools.TopicCommand. Raises JobError when it fails.
        """
        return self._run(name, "--bootstrap-server", self.bootstrap, *arguments)

    def create_topic(self, name: str, partitions: int = 2) -> None:
        """Creates a topic."""
        arguments = ("--create", "--topic", name, "--partitions", str(partitions))
        self.tool("org.apache.kafka.tools.TopicCommand", *arguments)

    def _properties(self) -> Path:
        path = self.folder / "server.properties"
        listeners = f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"{HOST}:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": listeners,
            "advertised.listeners": listeners,
            "log.dirs": str(self.folder / "data"),
            "num.partitions": "2",
            "offsets.topic.num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return path

    def _format(self) -> None:
        line = ("format", "--standalone", "--cluster-id", uuid4().hex[:22], "--config")
        self._run("kafka.tools.StorageTool", *line, str(self._properties()))

    def _run(self, name: str, *arguments: str) -> str:
        process = subprocess.run(
            _command(name, *arguments),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=TOOL_SECONDS,
            check=False,
        )
        if process.returncode != 0:
            raise JobError(
                f"{name} should succeed",
                _last_lines(process.stdout + process.stderr),
                "See its log",
            )
        return process.stdout

    def _wait(self) -> None:
        limit = time.monotonic() + START_SECONDS
        settings: dict[str, str | int | float | bool] = {"bootstrap.servers": self.bootstrap}
        while time.monotonic() < limit and self._process and self._process.poll() is None:
            with suppress(OSError, KafkaException):  # not up yet
                socket.create_connection((HOST, self.port), timeout=1).close()
                AdminClient(settings).list_topics(timeout=2)
                return
            time.sleep(0.2)
        self.kill()
        log = (self.folder / "broker.log").read_text(errors="replace")
        raise JobError(f"Kafka should serve within {START_SECONDS} s", _last_lines(log))

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "LOG_DIR": str(self.folder / "logs")}


@contextmanager
def kafka_broker(folder: Path) -> Iterator[Broker]:
    """Gives a running broker with data and logs under `folder`, ended with the block.

    Raises UsageError when its jars were never resolved.
    """
    require_jars()
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def jar_folder() -> Path:
    """Returns the folder that holds the broker's jars, beside those of Spark."""
    return cache_dir().parent / f"kafka-{VERSION}"


def require_jars() -> None:
    """Raises UsageError when the broker's jars are not in the cache."""
    if not (jar_folder() / COMPLETE).exists():
        raise UsageError(
            f"The tests need the jars of {', '.join(COORDINATES)} in their cache",
            f"{jar_folder()} does not hold them",
            "Run 'python -m sparkperso.testing.kafka' once with a network",
        )


def _command(name: str, *arguments: str) -> list[str]:
    java = require_java().home / "bin" / "java"
    scala = [str(jar) for jar in spark_home().glob("jars/scala-*.jar")]  # Ivy leaves them to Spark
    return [str(java), *HEAP, "-cp", ":".join([f"{jar_folder()}/*", *scala]), name, *arguments]


def _last_lines(text: str) -> str:
    return " ".join(text.strip().splitlines()[-5:])


def main(arguments: Sequence[str] = ()) -> int:
    """Fills the cache and says where it is."""
    try:
        if not (jar_folder() / COMPLETE).exists():
            download(COORDINATES, jar_folder())
    except (JobError, UsageError) as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(f"Kafka {VERSION} in {jar_folder()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
