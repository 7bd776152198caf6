"""Lists over HTTP, by calls of gRPC and over one stream of it, from the same process of the API.

    python benchmarks/bench_grpc.py                 100,000 users × 20 items, LMDB

A second process asks for as many as it can get: wrk over HTTP (`apt-get install wrk`), and gRPC's
own client in Python, 32 calls at a time, or 256 requests in flight on a stream. That client is
slower than the server, so that what counts is the last column: lists per second of the server's
processor. Three rounds, in turn; medians. Writes benchmarks/results/grpc.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench_serve import RESULTS, TOKEN, most, publish, running_api
from sparkperso.testing.cluster import free_port

CLIENT = """
import asyncio, random, sys, time, grpc
from sparkperso.services.serve.rpc import personalization_pb2 as pb
from sparkperso.services.serve.rpc.personalization_pb2_grpc import PersonalizationStub
kind, port, users, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
AUTH = (("authorization", "Bearer " + sys.argv[5]),)
rnd = random.Random(3)
asked = [pb.RecommendRequest(id=f"u{rnd.randrange(users)}", n=20) for _ in range(20_000)]
done = 0
async def calls(stub, end):
    global done
    while time.monotonic() < end:
        answer = await stub.Recommend(asked[done % 20_000], metadata=AUTH)
        assert len(answer.items) == 20
        done += 1
async def stream(stub, end):
    global done
    call, window = stub.RecommendStream(metadata=AUTH), asyncio.Semaphore(256)
    async def write():
        n = 0
        while time.monotonic() < end:
            await window.acquire()
            await call.write(asked[n % 20_000])
            n += 1
        await call.done_writing()
    writer = asyncio.create_task(write())
    async for result in call:
        assert len(result.answer.items) == 20
        done += 1
        window.release()
    await writer
async def main():
    async with grpc.aio.insecure_channel("127.0.0.1:" + port) as channel:
        stub, end = PersonalizationStub(channel), time.monotonic() + seconds
        if kind == "calls":
            await asyncio.gather(*(calls(stub, end) for _ in range(32)))
        else:
            await stream(stub, end)
asyncio.run(main())
print(done / seconds)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing: apt-get install wrk")
    rates: dict[str, list[float]] = {"http": [], "calls": [], "stream": []}
    per_cpu: dict[str, list[float]] = {name: [] for name in rates}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sets = ["store.kind=lmdb", "security.limits.requests_per_second=1e9"]
        publish(folder, sets, arguments.users)
        port = free_port()
        url, pid, _ = stack.enter_context(running_api(folder, sets, "--grpc-port", str(port)))
        for number in range(arguments.rounds):
            for name, found in rates.items():
                before = cpu_seconds(pid)
                rate = (
                    most(url, folder, arguments, number)
                    if name == "http"
                    else asked(name, port, arguments)
                )
                used = cpu_seconds(pid) - before
                found.append(rate)
                per_cpu[name].append(rate * arguments.seconds / used)
    result = {
        "what": f"{arguments.users:,} users × 20 items",
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "lists_per_second": medians(rates),
        "lists_per_cpu_second": medians(per_cpu),
    }
    (RESULTS / "grpc.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def medians(found: dict[str, list[float]]) -> dict[str, int]:
    return {name: round(statistics.median(one)) for name, one in found.items()}


def asked(kind: str, port: int, arguments) -> float:
    words = [kind, str(port), str(arguments.users), str(arguments.seconds), TOKEN]
    line = [sys.executable, "-c", CLIENT, *words]
    return float(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def cpu_seconds(pid: int) -> float:
    """Seconds of processor that a process and its children have used."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = 0
    for one in (str(pid), *children):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
