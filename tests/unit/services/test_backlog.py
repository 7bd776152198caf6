"""Lines that wait for a sink: a busy loop writes them as fast as it notes them."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sparkperso.services.sinks.backlog import Backlog


class Kept:
    """A sink in memory."""

    def __init__(self):
        self.lines = []

    async def start(self):
        return None

    async def close(self):
        return None

    async def check(self):
        return None

    async def put(self, lines):
        self.lines += [line for _, line in lines]


@pytest.mark.parametrize("per_turn", [1, 32, 500])
def test_what_is_noted_at_each_turn_of_the_loop_does_not_pile_up(per_turn, monkeypatch):
    monkeypatch.setattr("sparkperso.services.sinks.backlog.FLUSH_SECONDS", 0.0)
    sink = Kept()
    backlog = Backlog(
        sink,
        lambda number: (str(number), b"%d" % number),
        most=1_000_000,
        lines=2_000,
        name="the test's",
        log=logging.getLogger("test"),
    )

    async def busy():
        await backlog.start()
        number, largest = 0, 0
        for _ in range(2_000):
            for _ in range(per_turn):
                backlog.add(number)
                number += 1
            largest = max(largest, backlog.n_waiting)
            await asyncio.sleep(0)
        await backlog.close()
        return number, largest

    number, largest = asyncio.run(busy())
    assert sink.lines == [b"%d" % one for one in range(number)]
    # A batch, and what comes while it is written.
    assert largest < max(4_000, 60 * per_turn)
