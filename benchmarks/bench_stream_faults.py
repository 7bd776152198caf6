"""A streaming job killed with SIGKILL at random: every accepted event is taken in once.

    python benchmarks/bench_stream_faults.py [--kills 20] [--files 60] [--each 200] [--seed 1]

Prints accepted = valid + quarantined + duplicates, and ends with status 1 when a law is broken.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from sparkperso.testing.kills import balance, drain, hand_over, run_and_kill, stream_command


def main() -> int:
    """Kills, drains, counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        ready = lake / "_spool" / "ready"
        accepted = hand_over(ready, arguments.files, arguments.each, arguments.seed)
        command, log = stream_command(lake), Path(folder) / "stream.log"
        kills = 0
        for _ in range(arguments.kills):
            started, seconds = time.monotonic(), chance.uniform(0, 20)
            kills += run_and_kill(command, lake, log, seconds)
            done = balance(lake, accepted).booked["received"]
            print(f"ended after {time.monotonic() - started:.1f} s; booked {done:,}", flush=True)
        drain(command)
        found = balance(lake, accepted)
    booked = found.booked
    print(
        f"{kills} kills; accepted {accepted:,} = valid {booked['valid']:,} + quarantined "
        f"{booked['quarantined']:,} + duplicates {booked['duplicates']:,}"
    )
    faults = found.faults()
    print("\n".join(faults) or "every law holds")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
