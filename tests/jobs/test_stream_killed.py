"""A real streaming process is killed with SIGKILL, and every event is taken in exactly once."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time

import pytest
from tests.conftest import TEST_PROPERTIES

from sparkperso.testing.kills import balance, hand_over, run_and_kill, stream_command

pytestmark = pytest.mark.slow


def test_a_killed_stream_takes_every_event_in_exactly_once_and_one_told_to_stop_ends_well(tmp_path):
    lake, chance = tmp_path / "lake", random.Random(3)
    accepted = hand_over(lake / "_spool" / "ready", n_files=8, each=75, seed=3)
    command = stream_command(lake, settings=TEST_PROPERTIES)
    for _ in range(2):
        assert run_and_kill(command, lake, tmp_path / "log", chance.uniform(0, 6))
    assert balance(lake, accepted).booked["received"] < accepted
    command = stream_command(lake, max_files=100, settings=TEST_PROPERTIES)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    limit = time.monotonic() + 240
    while balance(lake, accepted).booked["received"] < accepted and time.monotonic() < limit:
        time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert re.search("received [1-9]", said)
    assert balance(lake, accepted).faults() == []
