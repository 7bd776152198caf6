"""Two processes' limits behind a real Redis: one rate together, also after it was gone."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
import redis

from sparkperso.services.access.shared_rates import RedisCounters, SharedRates
from sparkperso.services.http.limits import Buckets
from sparkperso.services.http.problems import Problem
from sparkperso.services.stores.redis_place import RedisPlace

RATE = 100.0


class Process:
    def __init__(self, place, clock):
        self.shared = SharedRates(RedisCounters(place), 1.0)
        self.buckets = self.shared.share("service", Buckets(RATE, clock))

    def ask(self, count):
        taken = 0
        for _ in range(count):
            try:
                self.buckets.take("shop", 1)
                taken += 1
            except Problem:
                pass
        return taken


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def place(redis_server):
    return RedisPlace(redis_server.url, f"limits-{time.monotonic_ns()}", 2.0)


async def second(processes, clock):
    """Returns what one second lets through of 1,000 requests, half of them to each process."""
    taken = 0
    for _ in range(10):
        clock.now += 0.1
        taken += sum(process.ask(50) for process in processes)
    for process in processes:
        await process.shared.settle()
    return taken


def test_two_processes_let_through_one_rate_and_two_while_redis_is_gone(place, redis_server):
    async def run():
        clock = Clock()
        processes = [Process(place, clock) for _ in range(2)]
        try:
            together = [await second(processes, clock) for _ in range(10)]
            assert sum(together[4:]) == pytest.approx(6 * RATE, rel=0.1)
            redis_server.stop()
            alone = [await second(processes, clock) for _ in range(4)]
            assert sum(alone[1:]) == pytest.approx(3 * 2 * RATE, rel=0.1)
            assert processes[0].shared.failure
            redis_server.start()
            again = [await second(processes, clock) for _ in range(10)]
            assert sum(again[4:]) == pytest.approx(6 * RATE, rel=0.1)
            assert not processes[0].shared.failure
        finally:
            for process in processes:
                await process.shared.close()

    asyncio.run(run())


def test_counters_end_by_themselves_and_name_nobody(place, redis_server):
    async def run():
        process = Process(place, Clock())
        process.ask(150)
        await process.shared.settle()
        await process.shared.close()

    asyncio.run(run())
    client = redis.Redis.from_url(redis_server.url)
    names = list(client.scan_iter(f"{place.prefix}:limits*"))
    assert len(names) == 1
    assert b"shop" not in names[0]
    assert 0 < client.ttl(names[0]) <= 60
    assert int(client.get(names[0])) == 150


def test_a_redis_that_hangs_holds_nobody_up(place, redis_server):
    """It is asked beside the requests: they are answered while it does not answer."""

    async def run():
        clock = Clock()
        slow = RedisPlace(place.url, place.prefix, 0.3)
        process = Process(slow, clock)
        await process.shared.settle()
        process.ask(100)
        os.kill(redis_server.process.pid, signal.SIGSTOP)
        try:
            settling = asyncio.create_task(process.shared.settle())
            await asyncio.sleep(0)
            assert process.ask(50) == 50
            assert not settling.done()
            await settling
            assert process.shared.failure
        finally:
            os.kill(redis_server.process.pid, signal.SIGCONT)
            await process.shared.close()

    asyncio.run(run())
