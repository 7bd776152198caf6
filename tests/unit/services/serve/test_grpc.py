"""gRPC: what it answers is what HTTP answers, and so is what it refuses."""

from __future__ import annotations

import threading
from urllib.parse import quote

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import Api

from sparkperso.services.serve.app import make_app
from sparkperso.services.serve.rpc import generate
from sparkperso.services.serve.rpc import personalization_pb2 as pb
from sparkperso.services.serve.rpc.personalization_pb2_grpc import PersonalizationStub
from sparkperso.services.serve.rpc.server import NAME, Address
from sparkperso.testing.cluster import free_port

TOKEN = {"Authorization": "Bearer local-dev-token"}
AUTH = (("authorization", TOKEN["Authorization"]),)
CODES = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
CODES |= {422: "INVALID_ARGUMENT", 409: "FAILED_PRECONDITION"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    own = Api(tmp_path_factory.mktemp("grpc"))
    address = Address("127.0.0.1", free_port())
    app = make_app(own.settings, {}, grpc=address)
    with TestClient(app, headers=TOKEN) as client, grpc.insecure_channel(str(address)) as channel:
        grpc.channel_ready_future(channel).result(20)
        yield client, channel


@pytest.fixture
def http(served):
    return served[0]


@pytest.fixture
def stub(served):
    return PersonalizationStub(served[1])


def struct(value):
    message = struct_pb2.Struct()
    message.update(value)
    return message


def plain(message):
    """A message as JSON has it, without what is empty, 0 or null, and the decision's id."""
    return bare(json_format.MessageToDict(message, preserving_proto_field_name=True))


def bare(value):
    if isinstance(value, dict):
        kept = {name: bare(one) for name, one in value.items() if name != "decision_id"}
        return {name: one for name, one in kept.items() if one not in (None, [], {}, "", 0)}
    return [bare(one) for one in value] if isinstance(value, list) else value


LISTS = [
    ("anna", {}),
    ("anna", {"n": 3}),
    ("anna", {"n": 50}),
    ("anna", {"kind": "popular", "n": 5}),
    ("anna", {"kind": "similar", "context": {"in_view": "i1"}}),
    ("anna", {"kind": "next", "context": {"recent": ["i1", "i2"]}}),
    ("anna", {"exclude": ["i1", "i3"], "n": 4}),
    ("anna", {"category": "c1", "n": 4}),
    ("anna", {"explain": True, "n": 2}),
    ("anna", {"context": {"cart": ["i2"], "device_type": "mobile", "country": "DE"}}),
    ("refused", {}),
    ("listless", {}),
    ("nobody at all", {}),
    ("visitor-no", {"anonymous_id": "visitor-no"}),
    ("…/..%2F\u202e", {}),
    ("x" * 512, {}),
]
REFUSED = [
    ("", {}, 422),
    ("x" * 513, {}, 422),
    ("anna", {"n": 0}, 422),
    ("anna", {"n": -1}, 422),
    ("anna", {"n": 10**9}, 422),
    ("anna", {"kind": "best"}, 422),
    ("anna", {"exclude": ["i"] * 2_000}, 422),
    ("anna", {"context": {"colour": "red"}}, 422),
    ("anna", {"context": {"cart": 7}}, 422),
    ("anna", {"context": {"n": float("nan")}}, 422),
    ("anna", {"context": {"cart": [float("inf")]}}, 422),
]


def request_of(user_id, sent):
    more = {**sent}
    if "context" in more:
        more["context"] = struct(more["context"])
    return pb.RecommendRequest(id=user_id, **more)


def by_http(http, user_id, sent):
    context = sent.get("context", {})
    query = {name: value for name, value in sent.items() if name != "context"} | context
    if "explain" in query:
        query["explain"] = "true"
    path = f"/v1/recommendations/{quote(user_id, safe='')}"
    return http.get(path, params=query)


@pytest.mark.parametrize(("user_id", "sent"), LISTS)
def test_a_list_is_what_http_answers(http, stub, user_id, sent):
    answer = by_http(http, user_id, sent)
    assert answer.status_code == 200, answer.text
    message = stub.Recommend(request_of(user_id, sent), metadata=AUTH)
    assert plain(message) == bare(answer.json())
    assert len(message.decision_id) == 32


@pytest.mark.parametrize(("user_id", "sent", "status"), REFUSED)
def test_what_cannot_be_is_refused_in_words(stub, user_id, sent, status):
    with pytest.raises(grpc.RpcError) as error:
        stub.Recommend(request_of(user_id, sent), metadata=AUTH)
    assert error.value.code().name == CODES[status]
    assert error.value.details().endswith((".", "?"))


def test_a_stream_answers_in_order_and_goes_on_after_what_cannot_be(http, stub):
    sent = [*LISTS, *((user_id, one) for user_id, one, _ in REFUSED), *LISTS]
    requests = [request_of(user_id, one) for user_id, one in sent]
    results = list(stub.RecommendStream(iter(requests), metadata=AUTH))
    assert len(results) == len(sent)
    refused = results[len(LISTS) : -len(LISTS)]
    assert [one.problem.status for one in refused] == [status for *_, status in REFUSED]
    for result, (user_id, one) in zip(results[: len(LISTS)], LISTS, strict=True):
        assert plain(result.answer) == bare(by_http(http, user_id, one).json())


def test_other_calls_answer_what_http_does(http, stub):
    similar = stub.Similar(pb.SimilarRequest(item_id="i1", n=2), metadata=AUTH)
    assert plain(similar) == bare(http.get("/v1/similar/i1?n=2").json())
    following = stub.Next(pb.NextRequest(recent=["i1", "i2"], n=4), metadata=AUTH)
    body = {"recent": ["i1", "i2"], "n": 4}
    assert plain(following) == bare(http.post("/v1/next", json=body).json())
    for name, call in (("segments", stub.GetSegments), ("profile", stub.GetProfile)):
        known = call(pb.PersonRequest(user_id="anna"), metadata=AUTH)
        assert plain(known) == bare(http.get(f"/v1/users/anna/{name}").json())
    with pytest.raises(grpc.RpcError) as error:
        stub.GetProfile(pb.PersonRequest(user_id="nobody"), metadata=AUTH)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("user_id", ["anna", "refused", "new"])
def test_slots_are_what_http_answers(http, stub, user_id):
    context = {"page": "/", "cart": ["i2"], "language": "de"}
    body = {"user_id": user_id, "context": context, "explain": True}
    message = stub.Personalize(
        pb.PersonalizeRequest(user_id=user_id, context=struct(context), explain=True),
        metadata=AUTH,
    )
    assert plain(message) == bare(http.post("/v1/personalize", json=body).json())
    page = stub.Personalize(
        pb.PersonalizeRequest(user_id=user_id, format="page", page="shop"), metadata=AUTH
    )
    assert page.page.startswith("<!")


def test_a_mail_is_what_http_makes(http, stub):
    sent = {"template": "picks", "user_id": "anna", "name": "Anna"}
    mail = stub.RenderEmail(pb.RenderEmailRequest(**sent), metadata=AUTH)
    answer = http.post("/v1/email/render", json=sent)
    assert answer.status_code == 200, answer.text
    assert mail.subject == answer.json()["subject"]
    assert set(mail.headers) == set(answer.json()["headers"])
    with pytest.raises(grpc.RpcError) as error:
        stub.RenderEmail(pb.RenderEmailRequest(**{**sent, "template": "x"}), metadata=AUTH)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Bearer forged"),),
        (("authorization", "Basic abc"),),
        (("authorization", "Bearer " + "x" * 9_000),),
        (*AUTH, ("authorization", "Bearer other")),
    ],
)
def test_nobody_gets_in_without_a_token(stub, metadata):
    with pytest.raises(grpc.RpcError) as error:
        stub.Recommend(pb.RecommendRequest(id="anna"), metadata=metadata)
    assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
    # Before anything is sent on it: it holds no place.
    silent = threading.Event()
    stream = stub.RecommendStream(iter(silent.wait, None), metadata=metadata, timeout=5)
    with pytest.raises(grpc.RpcError) as error:
        next(stream)
    silent.set()
    assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_somebody_elses_data_is_not_answered(http, stub):
    token = http.post("/v1/tokens", json={"user_id": "anna"}).json()["token"]
    own = (("authorization", f"Bearer {token}"),)
    assert stub.Recommend(pb.RecommendRequest(id="anna"), metadata=own).user_id == "anna"
    for call, request in (
        (stub.Recommend, pb.RecommendRequest(id="ben")),
        (stub.GetProfile, pb.PersonRequest(user_id="ben")),
        (stub.RenderEmail, pb.RenderEmailRequest(template="picks", user_id="anna")),
    ):
        with pytest.raises(grpc.RpcError) as error:
            call(request, metadata=own)
        assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_a_message_beyond_the_bound_is_refused_unread(stub):
    huge = pb.RecommendRequest(id="x" * 2_000_000)
    with pytest.raises(grpc.RpcError) as error:
        stub.Recommend(huge, metadata=AUTH)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.Recommend(pb.RecommendRequest(id="anna"), metadata=AUTH).user_id == "anna"


def test_health_and_reflection_say_what_there_is(served):
    channel = served[1]
    states = health_pb2_grpc.HealthStub(channel)
    for name in ("", NAME):
        state = states.Check(health_pb2.HealthCheckRequest(service=name)).status
        assert state == health_pb2.HealthCheckResponse.SERVING
    described = ProtoReflectionDescriptorDatabase(channel)
    assert NAME in described.get_services()
    file = described.FindFileContainingSymbol(NAME)
    assert {method.name for method in file.service[0].method} >= {"Recommend", "RecommendStream"}


def test_what_is_generated_is_current(tmp_path):
    generate.generate(tmp_path)
    made = tmp_path / "sparkperso" / "services" / "serve" / "rpc"
    for name in (
        "personalization_pb2.py",
        "personalization_pb2.pyi",
        "personalization_pb2_grpc.py",
    ):
        assert (made / name).read_text() == (generate.HERE / name).read_text(), name
