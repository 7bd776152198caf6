"""The spool: what was acknowledged is in `ready/` or in `open/`, whole, whatever happens."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparkperso.config.collect import SpoolConfig
from sparkperso.services.http.problems import Problem
from sparkperso.services.sinks import spool_file as part_module
from sparkperso.services.sinks.group_commit import GroupCommit
from sparkperso.services.sinks.spool import Spool


def lines_in(folder):
    return [
        line
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_bytes().split(b"\n")[:-1]
    ]


def with_spool(folder, work, **config):
    async def run():
        spool = Spool(folder, SpoolConfig(**config))
        await spool.start()
        try:
            return await work(spool)
        finally:
            await spool.close()

    return asyncio.run(run())


async def put_many(spool, count, start=0):
    numbers = range(start, start + count)
    await asyncio.gather(*(spool.put([("u", b"%d" % number)]) for number in numbers))


@pytest.mark.parametrize("fsync", ["group", "each", "none"])
def test_all_that_was_put_is_handed_over_once_at_the_end(tmp_path, fsync):
    with_spool(tmp_path, lambda spool: put_many(spool, 500), fsync=fsync)
    assert sorted(map(int, lines_in(tmp_path / "ready"))) == list(range(500))
    assert not list((tmp_path / "open").iterdir())


def test_requests_that_wait_together_share_an_fsync(tmp_path, monkeypatch):
    calls = []
    sync = os.fdatasync
    monkeypatch.setattr(part_module.os, "fdatasync", lambda file: calls.append(sync(file)))
    with_spool(tmp_path, lambda spool: put_many(spool, 200))
    assert 1 <= len(calls) < 20
    calls.clear()
    with_spool(tmp_path, lambda spool: put_many(spool, 20), fsync="each")
    assert len(calls) == 20


def test_files_are_handed_over_when_full_and_when_old(tmp_path):
    async def fill(spool):
        for number in range(4):
            await spool.put([("u", b"x" * 600)] * (number + 1))
        full = len(list((tmp_path / "ready").iterdir()))
        await spool.put([("u", b"y")])
        await asyncio.sleep(0.3)
        return full, len(list((tmp_path / "open").iterdir()))

    full, still_open = with_spool(tmp_path, fill, rotate_bytes=1024, rotate_seconds=0.1)
    assert (full, still_open) == (3, 0)
    names = list((tmp_path / "ready").iterdir())
    assert len(names) == 4


def test_a_killed_process_loses_nothing_and_its_torn_line_is_cut(tmp_path):
    (tmp_path / "open").mkdir()
    torn = tmp_path / "open" / "20260601T100000-a-000001.jsonl"
    torn.write_bytes(b'{"a":1}\n{"b":2}\n{"c"')
    (tmp_path / "open" / "20260601T100001-a-000002.jsonl").write_bytes(b'{"never": "acknow')

    with_spool(tmp_path, lambda spool: put_many(spool, 1))
    assert lines_in(tmp_path / "ready") == [b'{"a":1}', b'{"b":2}', b"0"]


def test_a_file_that_was_handed_over_is_never_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 1)
    for _ in range(3):
        with_spool(tmp_path, lambda spool: put_many(spool, 1))
    assert lines_in(tmp_path / "ready") == [b"0"] * 3


HOLDER = """
import sys, time
from pathlib import Path
from sparkperso.services.sinks.spool_file import SpoolFile
part = SpoolFile(Path(sys.argv[1])); part.append(b"alive\\n", True)
print("ready", flush=True); time.sleep(60)
"""


def test_a_file_that_another_collector_writes_is_left_alone(tmp_path):
    (tmp_path / "open").mkdir()
    path = tmp_path / "open" / "20260601T100000-other-000001.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(Path(part_module.__file__).parents[3])}
    line = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout.readline() == b"ready\n"
        with_spool(tmp_path, lambda spool: put_many(spool, 1))
        assert path.exists()
        other.kill()
    with_spool(tmp_path, lambda spool: put_many(spool, 1))
    assert sorted(lines_in(tmp_path / "ready")) == [b"0", b"0", b"alive"]


@pytest.mark.parametrize("broken", ["write", "fdatasync"])
def test_a_full_disk_answers_503_and_what_came_before_and_after_is_whole(
    tmp_path, monkeypatch, broken
):
    real_write = os.write

    def half(file, data):
        if len(data) < 100:  # what is left of the line that was torn
            raise OSError(28, "No space left on device")
        return real_write(file, data[:50])

    def full(file):
        raise OSError(28, "No space left on device")

    async def work(spool):
        await put_many(spool, 10)
        with monkeypatch.context() as patch:
            patch.setattr(part_module.os, broken, half if broken == "write" else full)
            with pytest.raises(Problem) as refusal:
                await spool.put([("u", b"9" * 120)])
            assert "No space left" in await spool.check()
        await put_many(spool, 10, start=10)
        assert await spool.check() is None
        return refusal.value

    problem = with_spool(tmp_path, work)
    assert (problem.status, problem.headers["Retry-After"]) == (503, "5")
    assert sorted(map(int, lines_in(tmp_path / "ready"))) == list(range(20))


def test_more_than_the_disk_keeps_up_with_is_told_to_wait(tmp_path):
    async def work(spool):
        waiting = [asyncio.create_task(spool.put([("u", b"x" * 400)])) for _ in range(10)]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        await spool.put([("u", b"later")])
        return [answer for answer in answers if answer is not None]

    refused = with_spool(tmp_path, work, max_pending_bytes=2000)
    assert {problem.status for problem in refused} == {503}
    assert len(lines_in(tmp_path / "ready")) == 11 - len(refused) == 5


class UnforeseenError(Exception):
    """What no code foresees."""


@pytest.mark.parametrize("error", [UnforeseenError, ValueError, MemoryError, RuntimeError, OSError])
def test_a_batch_that_fails_in_any_way_fails_alone(error):
    async def work():
        waiting, is_bad = [], [True]

        def commit(chunks):
            if is_bad[0]:
                raise error("no")
            waiting.extend(chunks)

        commits = GroupCommit(commit, 1000)
        puts = [asyncio.create_task(commits.put(b"x" * 300)) for _ in range(3)]
        answers = await asyncio.wait_for(asyncio.gather(*puts, return_exceptions=True), 5)
        failure, is_bad[0] = commits.failure, False
        await asyncio.wait_for(asyncio.gather(*(commits.put(b"y" * 300) for _ in range(3))), 5)
        await commits.drain()
        commits.close()
        return [answer.status for answer in answers], failure, commits.failure, waiting

    statuses, failure, after, waiting = asyncio.run(work())
    assert statuses == [503] * 3
    assert failure == error.__name__
    assert (after, waiting) == (None, [b"y" * 300] * 3)


def test_a_file_whose_write_fails_in_any_way_holds_whole_lines_only(tmp_path, monkeypatch):
    async def work(spool):
        await put_many(spool, 3)
        with monkeypatch.context() as patch:
            patch.setattr(part_module.os, "fdatasync", lambda _: 1 / 0)
            with pytest.raises(Problem):
                await spool.put([("u", b"lost")])
        await put_many(spool, 3, start=3)

    with_spool(tmp_path, work)
    assert sorted(map(int, lines_in(tmp_path / "ready"))) == list(range(6))


def test_old_files_are_handed_over_after_a_failure_of_any_kind(tmp_path, monkeypatch):
    async def work(spool):
        await put_many(spool, 1)
        with monkeypatch.context() as patch:
            patch.setattr(part_module.SpoolFile, "hand_over", lambda *_: 1 / 0)
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.2)
        return lines_in(tmp_path / "ready")

    assert with_spool(tmp_path, work, rotate_seconds=0.05) == [b"0"]


def test_nobody_else_may_read_the_spool(tmp_path):
    folder = tmp_path / "lake" / "_spool"
    (folder / "ready").mkdir(parents=True)
    (folder / "ready" / "earlier.jsonl").write_bytes(b"1\n")
    (folder / "ready" / "earlier.jsonl").chmod(0o644)

    async def work(spool):
        await put_many(spool, 2)
        return [path.stat().st_mode & 0o077 for path in folder.glob("*/*")]

    before = os.umask(0)
    try:
        assert set(with_spool(folder, work)) == {0}
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o077 for path in folder.glob("*")} == {0}
