"""POST /ofrep/v1/evaluate/flags/{key} and /flags: OpenFeature's Remote Evaluation Protocol.

An experiment is a flag: its value is the variant's payload, or its name. The protocol's errors have
a body of their own (OpenAPI 0.3.0 of the protocol); who may not ask is told by a problem document.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sparkperso.experiments.assignment.assign import Assignment, Reason
from sparkperso.rules.context import SENT, RequestContext
from sparkperso.services.http.body import ClientGone
from sparkperso.services.http.headers import REVALIDATED, SAFE
from sparkperso.services.http.openapi import Operation, Schema, described, json_answer
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import openapi
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.engine.people import Subject
from sparkperso.services.serve.engine.requests import ExperimentsRequest
from sparkperso.services.serve.operations import Call
from sparkperso.services.serve.routes.bodies import call_of
from sparkperso.services.serve.routes.experiments import (
    IF_NONE_MATCH,
    UNCHANGED,
    etag_of,
    is_known,
    send_json,
)
from sparkperso.services.serve.service import DECIDE, Service

FLAGS = "/ofrep/v1/evaluate/flags"
FLAG = f"{FLAGS}/{{key}}"
REASONS: dict[Reason, str] = {
    "split": "SPLIT",
    "tester": "TARGETING_MATCH",
    "not_running": "DISABLED",
}
"""Ours → the protocol's; whoever is not in an experiment gets the flag's default."""
IDS = ("targetingKey", "user_id", "anonymous_id")
BODY: Schema = {
    "type": "object",
    "properties": {
        "context": {
            "type": "object",
            "description": "`targetingKey`: whom it is for; `user_id`, `anonymous_id` and fields "
            "of a context; others mean nothing.",
            "properties": {
                **openapi.SCHEMAS["Context"]["properties"],
                **dict.fromkeys(IDS, openapi.nullable(openapi.ID)),
            },
        }
    },
}
FLAG_ANSWER = openapi.closed(
    {
        "key": openapi.STRING,
        "value": {"description": "The variant's payload, or its name."},
        "reason": {"enum": ["SPLIT", "TARGETING_MATCH", "DISABLED", "DEFAULT"]},
        "variant": openapi.STRING,
        "metadata": {"type": "object"},
    }
)
ERROR: Schema = {
    "type": "object",
    "required": ["errorCode"],
    "properties": {
        "key": openapi.STRING,
        "errorCode": {"enum": ["PARSE_ERROR", "INVALID_CONTEXT", "FLAG_NOT_FOUND"]},
        "errorDetails": openapi.STRING,
    },
}
HEADERS = ((b"content-type", b"application/json"), *SAFE, *REVALIDATED)
BAD = json_answer("The body or its context cannot be read.", ERROR)


class FlagError(Exception):
    """What the protocol says where a flag cannot be evaluated."""

    def __init__(self, status: int, code: str, details: str) -> None:
        super().__init__(details)
        self.status, self.code, self.details = status, code, details

    def body(self, key: str | None) -> bytes:
        """Returns it as JSON; `key` is the flag that was asked for."""
        named = {} if key is None else {"key": key}
        return orjson.dumps({**named, "errorCode": self.code, "errorDetails": self.details})


class Flags:
    """What both routes share; asked with every page, they are bare ASGI applications."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def _subject(self, call: Call, receive: Receive) -> tuple[Subject, RequestContext]:
        """Returns whom flags are for, and the context that is known of.

        Raises a FlagError, or a Problem for who may not ask.
        """
        call.caller.require(DECIDE)
        context = await self._context(call, receive)
        try:
            ids = [read.read_optional_id(context.get(name), name) for name in IDS]
            # Of other fields nothing is asked: a client sends its whole context.
            ours = {name: context[name] for name in SENT if name in context}
            known = read.context_of(ours, self._service.countries) if ours else {}
        except Problem as error:
            raise FlagError(400, "INVALID_CONTEXT", error.detail) from None
        target, user_id, anonymous_id = ids
        subject = self._service.subject(
            call.caller, call.headers, user_id or target, anonymous_id, known, scope=DECIDE
        )
        return subject, known

    async def _context(self, call: Call, receive: Receive) -> Mapping[str, Any]:
        try:
            body = await self._service.bodies.json(call.headers, receive)
        except (Problem, ClientGone) as error:
            if isinstance(error, Problem) and error.status != 400:
                raise
            raise FlagError(400, "PARSE_ERROR", str(error)) from None
        context = body.get("context", {}) if isinstance(body, dict) else None
        if not isinstance(context, dict):
            raise FlagError(400, "INVALID_CONTEXT", "The body has an object, its 'context'.")
        return context


@described(
    Operation(
        answers={
            200: json_answer("The flag.", FLAG_ANSWER),
            400: BAD,
            404: json_answer("There is no such flag.", ERROR),
        },
        problems=(*openapi.OF_CALLERS, 408, 413, 415),
        body=BODY,
        security=openapi.SECURITY,
    )
)
class PostFlag(Flags):
    """Evaluates one flag."""

    def serves(self, method: str, path: str) -> bool:
        """Says whether a request is of this route."""
        return method == "POST" and path.startswith(f"{FLAGS}/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; raises a Problem for who may not ask."""
        service, scope["route"] = self._service, FLAG
        call = call_of(service, scope, "ofrep")
        key = scope["path"][len(FLAGS) + 1 :].encode("utf-8", "replace").decode()
        try:
            subject, context = await self._subject(call, receive)
            if key not in service.experiments.splits:
                raise FlagError(404, "FLAG_NOT_FOUND", "There is no experiment of this name.")
        except FlagError as error:
            await send_json(send, error.body(key), error.status)
            return
        request = ExperimentsRequest(subject, (key,), context)
        answer, decision_id = await service.assign(request, call.route)
        flag = flag_json(key, answer.experiments[key])
        # Its last member is the metadata, an object that is not empty.
        await send_json(send, b'%b,"decision_id":"%b"}}' % (flag[:-2], decision_id.encode()))


@described(
    Operation(
        answers={
            200: json_answer(
                "The flags.",
                openapi.closed({"flags": {"type": "array", "items": FLAG_ANSWER}}),
            ),
            304: UNCHANGED,
            400: BAD,
        },
        problems=(*openapi.OF_CALLERS, 408, 413, 415),
        parameters=[IF_NONE_MATCH],
        body=BODY,
        security=openapi.SECURITY,
    )
)
class PostFlags(Flags):
    """Evaluates all flags, for clients that evaluate a page's once."""

    def serves(self, method: str, path: str) -> bool:
        """Says whether a request is of this route."""
        return method == "POST" and path == FLAGS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; raises a Problem for who may not ask."""
        service, scope["route"] = self._service, FLAGS
        call = call_of(service, scope, "ofrep")
        try:
            subject, context = await self._subject(call, receive)
        except FlagError as error:
            await send_json(send, error.body(None), error.status)
            return
        names = tuple(service.experiments.splits)
        request = ExperimentsRequest(subject, names, context)
        answer, _ = await service.assign(request, call.route)
        flags = b",".join(flag_json(name, one) for name, one in answer.experiments.items())
        body = b'{"flags":[%b]}' % flags
        etag = etag_of(body)
        status = 304 if is_known(call.headers, etag) else 200
        body = b"" if status == 304 else body
        headers = [*HEADERS, (b"etag", etag), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@lru_cache(4096)
def flag_json(key: str, one: Assignment) -> bytes:
    """Returns one flag as the protocol has it; there are few different answers of each."""
    return orjson.dumps(
        {
            "key": key,
            "value": one.value,
            "reason": REASONS.get(one.reason, "DEFAULT"),
            "variant": one.variant,
            "metadata": {
                "experiment": one.experiment,
                "reason": one.reason,
                "is_counted": one.is_counted,
                "propensity": one.propensity,
            },
        }
    )


def routes(service: Service) -> list[Route]:
    """Returns the routes of the protocol."""
    return [
        Route(FLAG, PostFlag(service), methods=["POST"], name="post_flag"),
        Route(FLAGS, PostFlags(service), methods=["POST"], name="post_flags"),
    ]
