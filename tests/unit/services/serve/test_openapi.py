"""The OpenAPI document is that of the routes; each answer of other tests' clients is held to it."""

import pytest
from jsonschema import Draft202012Validator
from starlette.responses import Response
from starlette.routing import Route
from tests.openapi import require_answer

from sparkperso.services.serve import reading as read
from sparkperso.services.serve.openapi import document


@pytest.fixture(scope="module")
def described(client):
    return client.get("/openapi.json").json()


def operations(described):
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def schemas_in(value):
    if isinstance(value, dict):
        yield from (value[name] for name in ("schema",) if name in value)
        for part in value.values():
            yield from schemas_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from schemas_in(part)


def references_in(value):
    if isinstance(value, dict):
        yield from (value[name] for name in ("$ref",) if name in value)
        for part in value.values():
            yield from references_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from references_in(part)


def test_every_schema_is_one_and_every_reference_leads_somewhere(described):
    components = described["components"]["schemas"]
    for schema in (*schemas_in(described["paths"]), *components.values()):
        Draft202012Validator.check_schema(schema)
    known = {f"#/components/schemas/{name}" for name in components}
    assert set(references_in(described)) == known


def test_operations_have_names_of_their_own_and_say_what_they_do(described):
    found = list(operations(described))
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    assert all(operation["summary"].endswith(".") for _, _, operation in found)


def test_a_route_without_a_description_is_no_route():
    async def handler(_):
        return Response()

    with pytest.raises(LookupError, match=r"/v1/new has no description"):
        document([Route("/v1/new", handler)])


def test_parameters_are_those_that_are_read(described):
    of_lists = described["paths"]["/v1/recommendations/{id}"]["get"]["parameters"]
    names = {one["name"] for one in of_lists if one["in"] == "query"}
    assert names == read.OF_LISTS | read.OF_CONTEXT


def test_all_that_is_about_people_needs_a_token_and_nothing_else_does(described, client):
    for path, method, operation in operations(described):
        url = path.replace("{id}", "anna").replace("{item_id}", "i1")
        headers = {"Authorization": ""}
        body = {"content": b"{}"} if method == "post" else {}
        answer = client.request(method, url, headers=headers, **body)
        # The key of features stands in their path, for which OpenAPI has no scheme.
        is_closed = "security" in operation or path == "/api/features/{key}"
        assert (answer.status_code == 401) == is_closed, path
        assert ("401" in operation["responses"]) == is_closed


GOOD = {
    "get_recommendations": ("/v1/recommendations/anna?explain=1&country=GB&cart=i2", None),
    "get_similar": ("/v1/similar/i1?exclude=i2", None),
    "post_next": ("/v1/next", {"recent": ["i1"], "anonymous_id": "a1", "context": {"page": "/"}}),
    "post_personalize": ("/v1/personalize", {"user_id": "anna", "explain": True}),
    "get_segments": ("/v1/users/anna/segments", None),
    "get_profile": ("/v1/users/anna/profile", None),
    "post_decide": ("/v1/decide", {"user_id": "anna"}),
    "post_flags": ("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "anna"}}),
    "get_features": ("/api/features/local-dev-token", None),
    "post_token": ("/v1/tokens", {"user_id": "anna"}),
    "post_email": ("/v1/email/render", {"template": "picks", "user_id": "anna"}),
    "healthz": ("/healthz", None),
    "readyz": ("/readyz", None),
    "metrics": ("/metrics", None),
    "openapi_json": ("/openapi.json", None),
}


STREAM = "get_stream"
"""Its answer has no end while its caller's token has none: test_segment_streams.py asks for it."""
FLAG = "post_flag"
"""No shipped experiment runs: test_experiments.py asks for it."""


def test_every_operation_is_answered_as_described(described, client):
    names = {operation["operationId"] for _, _, operation in operations(described)}
    assert names == {*GOOD, STREAM, FLAG}
    for url, body in GOOD.values():
        answer = client.get(url) if body is None else client.post(url, json=body)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", ["a/b", "a/segments", "a%b", "ü", "a?b", "a\nb", "\n"])
def test_a_slash_in_an_id_parts_nothing(client, name):
    escaped = name.replace("%", "%25").replace("/", "%2F").replace("?", "%3F").replace("\n", "%0A")
    for url in (f"/v1/users/{escaped}/segments", f"/v1/recommendations/{escaped}"):
        assert client.get(url).json()["user_id"] == name
    assert client.get(f"/v1/similar/{escaped}").json()["item_id"] == name


def test_an_answer_with_a_member_too_many_would_be_noticed(described, client):
    answer = client.get("/v1/recommendations/anna?n=1")
    require_answer(described, answer)
    for before, after in ((b'"rank":1', b'"rank":0'), (b'"items"', b'"things"'), (b"null", b"1")):
        answer._content = client.get("/v1/recommendations/anna?n=1").content.replace(before, after)
        with pytest.raises(AssertionError):
            require_answer(described, answer)
