"""Holds what clients sent, and what they were answered, against an OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient
from tests.recorder import Sent


def require_described(document: Mapping[str, Any], sent: Iterable[Sent]) -> None:
    """Raises AssertionError for a request whose route or body the document does not describe.

    OpenAPI 3.1 schemas are those of JSON Schema 2020-12. A slash at a path's end makes no other.
    """
    for request in sent:
        if request.method in ("POST", "GET"):
            operation = _find(document, request.method, request.path)
            assert operation is not None, f"no operation {request.method} {request.path}"
            if request.method == "POST" and request.body:
                _require_body(document, operation, request)


class DescribedClient(TestClient):
    """A client of an application whose every answer must be as its OpenAPI document says."""

    document: Mapping[str, Any] | None = None

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Sends a request; raises AssertionError for an answer that is not described."""
        response = super().send(request, **options)
        if self.document is None:
            # Of this application: what is described depends on its configuration.
            self.document = {}
            self.document = self.get("/openapi.json").json()
        if self.document:
            require_answer(self.document, response)
        return response


def require_answer(document: Mapping[str, Any], response: httpx.Response) -> None:
    """Raises AssertionError for a response whose status, type or body is not described.

    A method that a path does not have, and a path that is not there, are answered by a problem.
    """
    request, status = response.request, response.status_code
    path = request.url.raw_path.decode()
    kind = response.headers.get("content-type", "").partition(";")[0]
    what = f"{request.method} {path[:200]}: {status}"
    operation = _find(document, request.method, path)
    if operation is None:
        assert status == 204 or (status >= 400 and kind == "application/problem+json"), what
        return
    responses = operation["responses"]
    assert str(status) in responses, f"{what} is none of {sorted(responses)}"
    content = responses[str(status)]["content"]
    if status == 304:
        assert not response.content, what
        return
    assert kind in content, f"{what}: {kind} is none of {sorted(content)}"
    value = response.json() if kind.endswith("json") else response.text
    schema = {**content[kind]["schema"], "components": document["components"]}
    errors = [
        f"{error.json_path}: {error.message[:200]}"
        for error in _validator(json.dumps(schema, sort_keys=True)).iter_errors(value)
    ]
    assert not errors, f"{what}: {errors}"


@lru_cache(256)
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))


def _find(document: Mapping[str, Any], method: str, path: str) -> Mapping[str, Any] | None:
    path = urlsplit(path).path.rstrip("/")
    for template, methods in document["paths"].items():
        if _matches(path, template) and method.lower() in methods:
            found: Mapping[str, Any] = methods[method.lower()]
            return found
    return None


def _matches(path: str, template: str) -> bool:
    own, described = path.split("/"), template.split("/")
    return len(own) == len(described) and all(
        d == o or d.startswith("{") for o, d in zip(own, described, strict=True)
    )


def _require_body(document: Mapping[str, Any], operation: Mapping[str, Any], request: Sent) -> None:
    content = operation["requestBody"]["content"]
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    assert kind in content, f"{request.path}: {kind} is none of {sorted(content)}"
    schema = {**content[kind]["schema"], "components": document["components"]}
    errors = [
        f"{error.json_path}: {error.message[:200]}"
        for error in Draft202012Validator(schema).iter_errors(request.json)
    ]
    assert not errors, f"{request.path}: {errors}"
