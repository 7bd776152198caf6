"""A real streaming process is killed with SIGKILL, and every event is taken in exactly once."""

from __future__ import annotations

import random
import signal
import subprocess
import time

import pytest

from sparkperso.testing.kills import balance, drain, hand_over, run_and_kill, stream_command

pytestmark = pytest.mark.slow


def test_a_killed_stream_takes_every_event_in_exactly_once(tmp_path):
    lake, chance = tmp_path / "lake", random.Random(3)
    accepted = hand_over(lake / "_spool" / "ready", n_files=6, each=100, seed=3)
    for _ in range(2):
        assert run_and_kill(stream_command(lake), lake, tmp_path / "log", chance.uniform(0, 6))
    drain(stream_command(lake, max_files=100))
    assert balance(lake, accepted).faults() == []


def test_a_stream_that_is_told_to_stop_finishes_its_micro_batch_and_ends_well(tmp_path):
    lake = tmp_path / "lake"
    accepted = hand_over(lake / "_spool" / "ready", n_files=1, each=50, seed=4)
    process = subprocess.Popen(stream_command(lake), stdout=subprocess.PIPE, text=True)
    limit = time.monotonic() + 120
    while balance(lake, accepted).booked["received"] < accepted and time.monotonic() < limit:
        time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "received 50" in said
    assert balance(lake, accepted).faults() == []
