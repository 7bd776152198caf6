"""gRPC of real processes: workers that share a port, their end, and ports that are taken."""

from __future__ import annotations

import signal
import socket
import threading
import time

import grpc
import pytest
from click.testing import CliRunner
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.unit.services.serve.conftest import TOKEN, records

from sparkperso.cli.main import cli
from sparkperso.config import load_settings
from sparkperso.services.serve.rpc import personalization_pb2 as pb
from sparkperso.services.serve.rpc.personalization_pb2_grpc import PersonalizationStub
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.api import running_api
from sparkperso.testing.cluster import free_port
from sparkperso.testing.serving import release

AUTH = (("authorization", TOKEN["Authorization"]),)
# Else connections of one process to one address are one.
OWN = [("grpc.use_local_subchannel_pool", 1)]
ANNA = pb.RecommendRequest(id="anna", n=3)


@pytest.fixture
def lake(tmp_path):
    lake = tmp_path / "lake"
    store = open_store(load_settings("local", lake=str(lake)))
    release(store, records())
    store.close()
    return lake


def channel_to(port):
    return grpc.insecure_channel(f"127.0.0.1:{port}", options=OWN)


def test_workers_share_the_port_and_end_without_a_failed_call(lake, tmp_path):
    port = free_port()
    options = ("--grpc-port", str(port), "--workers", "2", "--set", "api.drain_seconds=1")
    with running_api(lake, *options, log=tmp_path / "log") as api:
        channels = [channel_to(port) for _ in range(8)]
        for channel in channels:
            grpc.channel_ready_future(channel).result(20)
            answer = PersonalizationStub(channel).Recommend(ANNA, metadata=AUTH)
            assert [one.item_id for one in answer.items] == ["i1", "i2", "i3"]
        states, failures, n_answered = health_pb2_grpc.HealthStub(channels[0]), [], [0]
        ended = threading.Event()

        def go_on():
            stub = PersonalizationStub(channels[1])
            while not ended.is_set():
                try:
                    stub.Recommend(ANNA, metadata=AUTH)
                    n_answered[0] += 1
                except grpc.RpcError as error:
                    failures.append(error.code())
                    return

        load = threading.Thread(target=go_on)
        load.start()
        api.signal(signal.SIGTERM)
        told = health_pb2.HealthCheckResponse.SERVING
        end = time.monotonic() + 5
        while told == health_pb2.HealthCheckResponse.SERVING and time.monotonic() < end:
            told = states.Check(health_pb2.HealthCheckRequest()).status
        # It says so first, and answers still.
        assert told == health_pb2.HealthCheckResponse.NOT_SERVING
        before = n_answered[0]
        assert PersonalizationStub(channels[1]).Recommend(ANNA, metadata=AUTH).user_id == "anna"
        ended.set()
        load.join()
        assert failures == []
        assert n_answered[0] >= before
        for channel in channels:
            channel.close()
        assert api.process.wait(30) == 0


def test_a_port_that_is_taken_is_said_before_anything_starts(lake):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = ["serve", "--lake", str(lake), "--port", str(free_port())]
        answer = CliRunner().invoke(cli, [*words, "--grpc-port", str(port)])
    assert answer.exception.exit_status == 2
    assert "--grpc-port" in str(answer.exception)


def test_http_and_grpc_do_not_share_a_port(lake):
    port = str(free_port())
    words = ["serve", "--lake", str(lake), "--port", port, "--grpc-port", port]
    answer = CliRunner().invoke(cli, words)
    assert answer.exception.exit_status == 2
    assert f"Both --port and --grpc-port are {port}" in str(answer.exception)
