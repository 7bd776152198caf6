"""A real streaming process that is killed at random moments, and what must be true afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from sparkperso.core.errors import JobError

RULES = ("received", "valid", "quarantined", "duplicates", "refused")
DRAIN_SECONDS = 900
BEGIN_SECONDS = 180


@dataclass(frozen=True)
class Balance:
    """What went in, what was booked, and what lies in the tables."""

    accepted: int
    booked: dict[str, int]
    silver: int
    event_ids: int
    quarantine: int
    bronze: int

    def faults(self) -> list[str]:
        """Returns what does not add up; nothing when every event was taken in exactly once."""
        b = self.booked
        pairs = {
            "accepted = received": (self.accepted, b["received"]),
            "received = valid + quarantined + duplicates + refused": (
                b["received"],
                sum(b[name] for name in RULES[1:]),
            ),
            "valid = rows of silver/events": (b["valid"], self.silver),
            "one row per event_id": (self.silver, self.event_ids),
            "quarantined = rows of silver/quarantine": (b["quarantined"], self.quarantine),
            "accepted = rows of bronze/events": (self.accepted, self.bronze),
        }
        return [f"{law}: {a:,} is not {c:,}" for law, (a, c) in pairs.items() if a != c]


def stream_command(lake: Path, max_files: int = 1, settings: Sequence[str] = ()) -> list[str]:
    """Returns the command that takes in the collector's spool by a stream, in bites of files."""
    line = [sys.executable, "-m", "sparkperso.cli.main", "ingest-events", "--source", "collector"]
    line += ["--stream", "--lake", str(lake)]
    settings = [f"stream.max_files={max_files}", *settings]
    return [*line, *(word for setting in settings for word in ("--set", setting))]


def run_and_kill(command: Sequence[str], lake: Path, log: Path, seconds: float) -> bool:
    """Runs a command and, `seconds` after it began to write, kills it and all its children.

    Returns whether it was killed; False when it ended before.
    """
    before = _n_commits(lake)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    limit = time.monotonic() + BEGIN_SECONDS
    while process.poll() is None and _n_commits(lake) == before and time.monotonic() < limit:
        time.sleep(0.05)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def _n_commits(lake: Path) -> int:
    """How often tables of the lake, and the stream's own log, were written to."""
    tables = sum(1 for _ in lake.glob("*/*/_delta_log/*.json"))
    return tables + sum(1 for _ in lake.glob("_checkpoints/*/offsets/*"))


def drain(command: Sequence[str]) -> None:
    """Runs a command to its end; raises JobError when it fails."""
    process = subprocess.run(
        [*command, "--available-now"],
        capture_output=True,
        text=True,
        timeout=DRAIN_SECONDS,
        check=False,
    )
    if process.returncode != 0:
        raise JobError(
            "The stream should drain its input", (process.stdout + process.stderr)[-2000:]
        )


def hand_over(ready: Path, n_files: int, each: int, seed: int) -> int:
    """Puts files of events into a spool, some of them bad, some repeated.

    Returns their number; the same `seed` gives the same files.
    """
    chance = random.Random(seed)
    ready.mkdir(parents=True, exist_ok=True)
    for number in range(n_files):
        first = number * each
        lines = [json.dumps(_event(first + place, chance)) for place in range(each)]
        (ready / f"{number:06d}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return n_files * each


def balance(lake: Path, accepted: int) -> Balance:
    """Returns what the tables of a lake hold, read by delta-rs; `accepted` is what went in."""
    booked = dict.fromkeys(RULES, 0)
    for row in _rows(lake, "ops/data_quality", ["rule", "n_records"]):
        if row["rule"] in booked:
            booked[row["rule"]] += row["n_records"]
    ids = [row["event_id"] for row in _rows(lake, "silver/events", ["event_id"])]
    quarantine = len(_rows(lake, "silver/quarantine", ["record_id"]))
    bronze = len(_rows(lake, "bronze/events", ["record_id"]))
    return Balance(accepted, booked, len(ids), len(set(ids)), quarantine, bronze)


def _rows(lake: Path, table: str, columns: list[str]) -> list[dict[str, Any]]:
    place = lake / table
    if not DeltaTable.is_deltatable(str(place)):
        return []
    rows: list[dict[str, Any]] = (
        DeltaTable(str(place)).to_pyarrow_table(columns=columns).to_pylist()
    )
    return rows


def _event(number: int, chance: random.Random) -> dict[str, object]:
    """One event in ten repeats an earlier one, one in ten is of no known type."""
    drawn = chance.random()
    known = number if drawn > 0.1 else chance.randrange(number + 1)
    kind = "nonsense" if drawn > 0.9 else "page_view"
    at = "2026-06-01T10:00:00.000000Z"
    collected = {"received_at": at, "site": "shop", "basis": "assumed: test"}
    fields = {"event_id": f"e{known}", "user_id": f"u{known % 50}", "timestamp": at}
    return {**fields, "event_type": kind, "metadata": {"n": number}, "collected": collected}
