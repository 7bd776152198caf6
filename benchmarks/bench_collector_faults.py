"""Kills the collector under load, and fills its disk: and counts what is in the spool.

    python benchmarks/bench_collector_faults.py            20 kills, 3 full disks
    python benchmarks/bench_collector_faults.py --kills 3 --disks 1

Senders in a second process send every request until it is acknowledged, with the same event ids,
as clients should. Then, exactly: acknowledged events = distinct events in the spool, and lines in
the spool = distinct events + duplicates (requests that were durable, but whose answer was lost).
The disk is a small tmpfs where this process may mount one, else a limit of the collector's files.
Prints both counts, and writes benchmarks/results/collector_faults.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import subprocess
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from sparkperso.testing.collector import free_port, running_collector

RESULTS = Path(__file__).parent / "results"
HEADERS = {
    "Authorization": "Basic " + b64encode(b"local-dev-key:").decode(),
    "Content-Type": "application/json",
}
THREADS = 8
SIZES = (1, 1, 1, 20, 100)
FULL_SECONDS = 2.0


def main() -> None:
    arguments = parse_arguments()
    figures = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "killed": kills(arguments.kills, arguments.seed),
        "disk_full": full_disks(arguments.disks),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "collector_faults.json").write_text(text + "\n")
    if any(not figures[name]["exact"] for name in ("killed", "disk_full")):
        raise SystemExit("Acknowledged events and the spool's do not agree")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--disks", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def kills(count: int, seed: int) -> dict[str, object]:
    """Kills the collector `count` times, each time after half a second to one and a half."""
    chosen = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, senders(Path(folder)) as load:
        lake = Path(folder) / "lake"
        for _ in range(count):
            with running_collector(lake, port=load.port) as collector:
                time.sleep(chosen.uniform(0.5, 1.5))
                collector.kill()
        with running_collector(lake, port=load.port) as collector:
            load.end()
            collector.end()
        return {"kills": count, **load.compare(lake / "_spool")}


def full_disks(count: int) -> dict[str, object]:
    """Fills the spool's disk under load `count` times, and makes room again."""
    with tempfile.TemporaryDirectory() as folder, senders(Path(folder)) as load:
        spool = Path(folder) / "spool"
        spool.mkdir()
        with disk(spool) as is_mounted:
            option = ("--set", f"collect.spool.path={spool}")
            with running_collector(Path(folder) / "lake", *option, port=load.port) as collector:
                for _ in range(count):
                    time.sleep(0.5)
                    with filled(spool, is_mounted, collector.process.pid):
                        time.sleep(FULL_SECONDS)
                load.end()
                collector.end()
            kind = "tmpfs" if is_mounted else "file size limit"
            return {"full": count, "disk": kind, **load.compare(spool)}


@contextmanager
def disk(folder: Path) -> Iterator[bool]:
    """Mounts a small disk at a folder, if that is possible; gives whether it was."""
    line = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(line, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def filled(spool: Path, is_mounted: bool, pid: int) -> Iterator[None]:
    """Leaves no room on the disk, or in the collector's files, while the block runs."""
    if is_mounted:
        ballast = spool / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65_536))
        yield
        ballast.unlink()
        return
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@dataclass
class Load:
    """Senders in a process of their own, and the files in which they note what was acknowledged."""

    folder: Path
    port: int
    stop: threading.Event
    process: multiprocessing.process.BaseProcess
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def end(self) -> None:
        """Waits until every sender has its last acknowledgement; raises RuntimeError."""
        self.stop.set()
        self.process.join(60)
        self.seconds = time.monotonic() - self.started
        if self.process.exitcode != 0:
            raise RuntimeError(f"The senders ended with {self.process.exitcode}")

    def compare(self, spool: Path) -> dict[str, object]:
        """Returns what was acknowledged beside what is in the spool."""
        notes = [path.read_text().splitlines() for path in self.folder.glob("sent-*")]
        acknowledged = {line for lines in notes for line in lines if not line.startswith("!")}
        failures = sum(line.startswith("!") for lines in notes for line in lines)
        parts = sorted(spool.glob("ready/*.jsonl"))
        kept = [json.loads(line)["event_id"] for p in parts for line in p.read_bytes().splitlines()]
        left = list(spool.glob("open/*.jsonl"))
        return {
            "acknowledged_events": len(acknowledged),
            "distinct_events_in_spool": len(set(kept)),
            "duplicates_in_spool": len(kept) - len(set(kept)),
            "acknowledged_but_missing": len(acknowledged - set(kept)),
            "kept_but_never_acknowledged": len(set(kept) - acknowledged),
            "requests_sent_again": failures,
            "events_per_second": round(len(acknowledged) / self.seconds),
            "exact": acknowledged == set(kept) and not left,
        }


@contextmanager
def senders(folder: Path) -> Iterator[Load]:
    """Runs senders while the block runs."""
    context = multiprocessing.get_context("spawn")
    stop, port = context.Event(), free_port()
    process = context.Process(target=run_senders, args=(port, folder, stop))
    process.start()
    try:
        yield Load(folder, port, stop, process)
    finally:
        process.kill()


def run_senders(port: int, folder: Path, stop: threading.Event) -> None:
    threads = [
        threading.Thread(target=send, args=(port, folder / f"sent-{number}", stop))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def send(port: int, notes: Path, stop: threading.Event) -> None:
    """Sends batch after batch, each until it is acknowledged; notes the ids then, and failures."""
    chosen, number = random.Random(notes.name), 0
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    with notes.open("w") as file:
        while not stop.is_set():
            size = chosen.choice(SIZES)
            ids = [f"{notes.name}-{number + n}" for n in range(size)]
            number += size
            body = json.dumps({"events": [event(name) for name in ids]}).encode()
            while (answer := post(connection, body)) != "200":
                file.write(f"!{answer}\n")
                time.sleep(0.02)
            file.write("".join(f"{name}\n" for name in ids))


def post(connection: HTTPConnection, body: bytes) -> str:
    """Returns the status of a request, or what kept it from having one."""
    try:
        connection.request("POST", "/v1/events", body, HEADERS)
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, HTTPException) as error:
        connection.close()
        return type(error).__name__


def event(name: str) -> dict[str, object]:
    return {
        "event_id": name,
        "user_id": f"u{len(name)}",
        "event_type": "item_view",
        "item_id": "A-1",
        "timestamp": "2026-06-01T10:00:00Z",
        "metadata": {"list": "spring", "text": "white hanging heart"},
    }


if __name__ == "__main__":
    main()
