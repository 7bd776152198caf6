"""POST /v1/decide: variants of somebody; GET /api/features/{key}: for GrowthBook's SDKs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, get_args

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sparkperso.core.hashing import short_hash
from sparkperso.core.times import iso, now
from sparkperso.experiments.assignment.assign import Reason, Split
from sparkperso.experiments.assignment.growthbook import NoEquivalentError, feature_of
from sparkperso.experiments.assignment.shares import EVERYBODY
from sparkperso.services.access.caller import LOCAL_CALLER
from sparkperso.services.http.headers import JSON_HEADERS, REVALIDATED, SAFE, headers_of
from sparkperso.services.http.openapi import Answer, Operation, Schema, described, json_answer
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import openapi, operations
from sparkperso.services.serve.answers import assigned_body
from sparkperso.services.serve.routes.bodies import call_of, check_members, object_in
from sparkperso.services.serve.service import Service

DECIDE = "/v1/decide"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FEATURES = "features"
"""The scope of what pages may know of all experiments."""
MEMBERS: dict[str, Schema] = {
    "user_id": openapi.nullable(openapi.ID),
    "anonymous_id": openapi.nullable(openapi.ID),
    "context": openapi.ref("Context"),
    "experiments": openapi.IDS,
}
ASSIGNMENT: Schema = openapi.closed(
    {
        "experiment": {**openapi.STRING, "description": "Its key, which exposures name."},
        "variant": openapi.STRING,
        "value": {"description": "The variant's payload, or its name."},
        "reason": {"enum": list(get_args(Reason))},
        "is_counted": {"type": "boolean"},
        "propensity": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    }
)
ANSWER = openapi.closed(
    {
        "decision_id": openapi.DECISION_ID,
        "experiments": {"type": "object", "additionalProperties": ASSIGNMENT},
        "store_version": openapi.NULLABLE_STRING,
        "fallback": openapi.FALLBACK,
    }
)
DOCUMENT = openapi.closed(
    {"status": {"const": 200}, "features": {"type": "object"}, "dateUpdated": openapi.STRING}
)
IF_NONE_MATCH: Schema = {
    **{"name": "If-None-Match", "in": "header", "schema": openapi.STRING},
    "description": "The ETag of what is known already.",
}
UNCHANGED = Answer("It is as it was.", {})


@described(
    Operation(
        answers={200: json_answer("The variants.", ANSWER)},
        problems=(*openapi.OF_CALLERS, *openapi.OF_BODIES),
        body=openapi.closed(MEMBERS, optional=tuple(MEMBERS)),
        security=openapi.SECURITY,
    )
)
class PostDecide:
    """Gives the variants of experiments that somebody sees.

    Pages ask for them with every view, so it is a bare ASGI application, as that of lists.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def serves(self, method: str, path: str) -> bool:
        """Says whether a request is of this route."""
        return method == "POST" and path == DECIDE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; raises a Problem."""
        service, scope["route"] = self._service, DECIDE
        call = call_of(service, scope, "decide")
        body = await object_in(service, call.headers, receive)
        check_members(body, MEMBERS)
        decided = await operations.decide(service, call, body)
        await send_json(send, assigned_body(*decided, service.store_version))


async def send_json(send: Send, body: bytes, status: int = 200) -> None:
    """Sends bytes of JSON with the headers of all answers."""
    headers = [*JSON_HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def etag_of(content: bytes) -> bytes:
    """Returns the ETag of an answer's content."""
    return b'"%b"' % short_hash(content).encode()


def is_known(headers: Mapping[bytes, bytes], etag: bytes) -> bool:
    """Says whether a client has what an ETag stands for, by RFC 9110, section 13.1.2."""
    tags = headers.get(b"if-none-match", b"").split(b",")
    return any(tag.strip().removeprefix(b"W/") in (etag, b"*") for tag in tags)


def routes(service: Service) -> list[Route]:
    """Returns the routes of experiments."""
    features = Features(service)

    @described(
        Operation(
            answers={200: json_answer("The features.", DOCUMENT), 304: UNCHANGED},
            problems=openapi.OF_CALLERS,
            parameters=[IF_NONE_MATCH],
        )
    )
    async def get_features(request: Request) -> Response:
        """Gives the running experiments as the features of GrowthBook's SDKs."""
        headers = headers_of(request.scope)
        _admit_key(service, request, headers)
        body, etag = features.document(now())
        status = 304 if is_known(headers, etag) else 200
        response = Response(b"" if status == 304 else body, status)
        kind = (b"content-type", b"application/json")
        response.raw_headers = [kind, *SAFE, *REVALIDATED, (b"etag", etag)]
        response.raw_headers.append((b"content-length", b"%d" % len(response.body)))
        return response

    return [
        Route(DECIDE, PostDecide(service), methods=["POST"], name="post_decide"),
        Route("/api/features/{key}", get_features),
    ]


def _admit_key(service: Service, request: Request, headers: Mapping[bytes, bytes]) -> None:
    """Raises a Problem, unless the key in the path may read the features and nothing else.

    Addresses end up in logs, and this one in pages: a key that may do more is refused there, but
    for that of `--env local`, which is no secret.
    """
    key = request.path_params["key"].encode("utf-8", "replace")
    sent = {**headers, b"authorization": b"Bearer " + key}
    caller = service.admit(request.scope, sent)
    caller.require(FEATURES)
    if caller is not LOCAL_CALLER and caller.scopes != {FEATURES}:
        raise Problem(
            403,
            "key_of_more",
            "This key may do more than read features, and addresses are no place for it. Make one "
            "of that scope alone: sparkperso keys new NAME --scope features.",
        )


class Features:
    """The running experiments as GrowthBook's features; made anew where they are others."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._running: tuple[Split, ...] | None = None
        self._made: tuple[bytes, bytes] = b"", b""

    def document(self, at: datetime) -> tuple[bytes, bytes]:
        """Returns the document as of a time, and its ETag."""
        splits = tuple(one for one in self._service.experiments.running(at) if one.has_lists)
        # They are made anew with what the store says of models and of shares.
        if splits != self._running:
            found: dict[str, Any] = {}
            running = [split.experiment for split in splits]
            for one, split in zip(running, splits, strict=True):
                try:
                    found[one.name] = feature_of(one, split.shares[EVERYBODY])
                except NoEquivalentError:
                    # `experiments list` says so.
                    continue
            updated = max((one.start for one in running if one.start), default=EPOCH)
            text = {"status": 200, "features": found, "dateUpdated": iso(updated)}
            body = orjson.dumps(text)
            self._running, self._made = splits, (body, etag_of(body))
        return self._made
