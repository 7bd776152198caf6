"""Ids of requests, lines of the log, traces: each names the request, none names a person."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from starlette.testclient import TestClient
from tests.unit.services.serve.conftest import TOKEN, Api

from sparkperso.config.platform import LoggingConfig
from sparkperso.services.http.logs import service_logging
from sparkperso.services.serve import app as app_module
from sparkperso.services.serve.app import make_app

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


@pytest.fixture
def lines():
    """The lines that the service's loggers write, as objects."""
    configured = service_logging(LoggingConfig())
    configurator = logging.config.DictConfigurator(configured)
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(configurator.configure_formatter(configured["formatters"]["lines"]))
    handler.addFilter(configurator.configure_filter(configured["filters"]["request"]))
    logger = logging.getLogger("sparkperso")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in handler.stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def of_requests(lines):
    return [line for line in lines() if line["logger"] == "sparkperso.requests"]


@pytest.fixture
def talking(tmp_path, lines):
    api = Api(tmp_path, more=("api.log_requests=1",))
    with TestClient(api.app, headers=TOKEN, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("sent", ["a", "9f-B._~+/=:3", "x" * 128])
def test_an_id_that_is_safe_goes_with_answer_problem_and_line(talking, lines, sent):
    answer = talking.get("/v1/recommendations/anna", headers={"X-Request-Id": sent})
    refused = talking.get("/v1/recommendations/anna?n=0", headers={"X-Request-Id": sent})
    assert answer.headers["x-request-id"] == refused.headers["x-request-id"] == sent
    assert refused.json()["request_id"] == sent
    assert [line["request_id"] for line in of_requests(lines)] == [sent, sent]


@pytest.mark.parametrize(
    "sent", ["", "x" * 129, "a b", 'a"b', "ä".encode(), "a\tb", "<script>", "a;b", "anna@shop"]
)
def test_any_other_is_replaced(client, sent):
    answers = [client.get("/healthz", headers={"X-Request-Id": sent}) for _ in range(2)]
    found = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(found)) == 2
    assert all(len(one) == 24 and int(one, 16) >= 0 for one in found)


def test_of_two_ids_one_counts_and_answers_have_one(client):
    answer = client.get("/healthz", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
    assert answer.headers.get_list("x-request-id") == ["a"]


def test_a_line_names_the_route_and_nobody(talking, lines):
    talking.get("/v1/recommendations/anna?country=GB")
    talking.get("/v1/users/anna/profile")
    talking.post("/v1/personalize", json={"user_id": "anna"})
    talking.get("/v1/nowhere/anna")
    talking.get("/v1/similar/i1", headers={"Authorization": ""})
    found = of_requests(lines)
    assert [(one["method"], one["route"], one["status"], one["caller"]) for one in found] == [
        ("GET", "/v1/recommendations/{id}", 200, "key"),
        ("GET", "/v1/users/{id}/profile", 200, "key"),
        ("POST", "/v1/personalize", 200, "key"),
        ("GET", "none", 404, None),
        ("GET", "/v1/similar/{item_id}", 401, None),
    ]
    assert all(0 < one["ms"] < 10_000 for one in found)
    assert "anna" not in json.dumps(found)


def test_a_share_of_them_has_a_line_and_each_that_failed(tmp_path, lines, monkeypatch):
    api = Api(tmp_path, more=("api.log_requests=0.25",))
    with TestClient(api.app, headers=TOKEN, raise_server_exceptions=False) as client:
        for _ in range(20):
            client.get("/healthz")
        assert len(of_requests(lines)) == 5

        async def fail(*_):
            raise RuntimeError("boom")

        monkeypatch.setattr("sparkperso.services.serve.routes.lists.recommend", fail)
        failed = [client.get("/v1/recommendations/anna") for _ in range(4)]
    assert [one["status"] for one in of_requests(lines)[5:]] == [500] * 4
    # The error's own line names the request that had it.
    errors = [line for line in lines() if line["level"] == "error"]
    assert [line["request_id"] for line in errors] == [a.json()["request_id"] for a in failed]


def test_no_line_unless_asked_for(tmp_path, lines):
    with TestClient(Api(tmp_path).app, headers=TOKEN) as client:
        client.get("/v1/recommendations/anna")
    assert of_requests(lines) == []


@pytest.fixture
def spans(monkeypatch):
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, make = InMemorySpanExporter(), app_module.make_traces
    monkeypatch.setattr(
        app_module,
        "make_traces",
        lambda config, name: make(config, name, SimpleSpanProcessor(exporter)),
    )
    return exporter


def traced(folder, share="1"):
    more = (f"api.traces.share={share}", "api.log_requests=1")
    return Api(folder, more=(*more, "api.traces.endpoint=http://127.0.0.1:9/v1/traces")).app


def test_a_request_is_a_trace_of_what_it_did(tmp_path, spans, lines):
    with TestClient(traced(tmp_path), headers=TOKEN) as client:
        spans.clear()
        client.get("/v1/recommendations/anna", headers={**PARENT, "X-Request-Id": "r1"})
    read, decided, request = spans.get_finished_spans()
    assert [one.name for one in (read, decided, request)] == [
        "store.read",
        "decide.list",
        "GET /v1/recommendations/{id}",
    ]
    assert {f"{one.context.trace_id:032x}" for one in (read, decided, request)} == {TRACE}
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert decided.parent.span_id == request.context.span_id
    assert read.parent.span_id == decided.context.span_id
    assert dict(request.attributes) == {
        "http.request.method": "GET",
        "http.route": "/v1/recommendations/{id}",
        "http.response.status_code": 200,
        "sparkperso.caller": "key",
        "sparkperso.request_id": "r1",
    }
    assert dict(decided.attributes) == {"kind": "new", "fallback": ""}
    assert read.attributes["records"] > 0
    assert "anna" not in "".join(one.to_json() for one in (read, decided, request))
    (line,) = of_requests(lines)
    assert line["trace_id"] == TRACE


def test_slots_and_problems_are_traced_too(tmp_path, spans):
    with TestClient(traced(tmp_path), headers=TOKEN) as client:
        spans.clear()
        client.post("/v1/personalize", json={"user_id": "anna"})
        client.get("/v1/recommendations/anna?n=0")
    names = [one.name for one in spans.get_finished_spans()]
    assert {"decide.slots", "POST /v1/personalize", "GET /v1/recommendations/{id}"} <= set(names)
    last = spans.get_finished_spans()[-1]
    assert last.attributes["http.response.status_code"] == 422
    assert not last.events


def test_a_share_is_traced_and_a_sender_decides_for_its_own(tmp_path, spans):
    with TestClient(traced(tmp_path, "0"), headers=TOKEN) as client:
        spans.clear()
        client.get("/v1/recommendations/anna")
        assert spans.get_finished_spans() == ()
        client.get("/v1/recommendations/anna", headers=PARENT)
        client.get("/v1/recommendations/anna", headers={"traceparent": "00-nonsense"})
    assert len({one.context.trace_id for one in spans.get_finished_spans()}) == 1


class Receiver(BaseHTTPRequestHandler):
    """Takes OTLP over HTTP, as a collector of OpenTelemetry does."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((self.path, self.headers, body))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_receiver_of_otlp_gets_them(tmp_path):
    import gzip

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.taken = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}/v1/traces"
        more = ("api.traces.share=1", f"api.traces.endpoint={endpoint}")
        with TestClient(Api(tmp_path, more=more).app, headers=TOKEN) as client:
            client.get("/v1/recommendations/anna", headers=PARENT)
    finally:
        server.shutdown()
        server.server_close()
    names = []
    for path, headers, body in server.taken:
        assert path == "/v1/traces"
        data = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        for one in ExportTraceServiceRequest.FromString(data).resource_spans:
            told = {a.key: a.value.string_value for a in one.resource.attributes}
            assert told["service.name"] == "sparkperso-serve"
            names += [span.name for part in one.scope_spans for span in part.spans]
    assert "GET /v1/recommendations/{id}" in names


def test_without_an_endpoint_nothing_of_it_is_imported(tmp_path):
    code = (
        "import sys, os\n"
        "from sparkperso.config import load_settings\n"
        "from sparkperso.services.serve.app import make_app\n"
        f"make_app(load_settings('local', lake={str(tmp_path)!r}), os.environ)\n"
        # Redis' client measures itself by its API where that is installed.
        "names = 'opentelemetry.sdk.trace', 'opentelemetry.exporter'\n"
        "print([name for name in sys.modules if name.startswith(names)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_receiver_that_is_not_there_keeps_nobody_waiting(tmp_path):
    settings = Api(tmp_path, more=("api.traces.endpoint=http://127.0.0.1:9/", "api.traces.share=1"))
    with TestClient(make_app(settings.settings, os.environ), headers=TOKEN) as client:
        assert client.get("/v1/recommendations/anna").status_code == 200
