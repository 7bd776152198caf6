"""Holds what clients sent against an OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from tests.recorder import Sent


def require_described(document: Mapping[str, Any], sent: Iterable[Sent]) -> None:
    """Raises AssertionError for a request whose route or body the document does not describe.

    OpenAPI 3.1 schemas are those of JSON Schema 2020-12. A slash at a path's end makes no other.
    """
    for request in sent:
        if request.method in ("POST", "GET"):
            operation = _operation(document, request)
            if request.method == "POST" and request.body:
                _require_body(document, operation, request)


def _operation(document: Mapping[str, Any], request: Sent) -> Mapping[str, Any]:
    path = urlsplit(request.path).path.rstrip("/")
    for template, methods in document["paths"].items():
        if _matches(path, template) and request.method.lower() in methods:
            found: Mapping[str, Any] = methods[request.method.lower()]
            return found
    raise AssertionError(f"no operation {request.method} {path}")


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
