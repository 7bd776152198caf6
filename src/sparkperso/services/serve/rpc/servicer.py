"""What answers the calls of gRPC: the same operations as the HTTP routes.

A call is let in, its fields are read, the operation answers. What cannot be is a status with the
words of the problem; in a stream it stands in its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from sparkperso.services.http.limits import ConcurrencyLimits
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import operations
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.answers import assigned_document, mail_document, slots_document
from sparkperso.services.serve.mails import render_mail
from sparkperso.services.serve.operations import Call, known_document, list_query
from sparkperso.services.serve.rpc import personalization_pb2 as pb
from sparkperso.services.serve.rpc.messages import list_answer, members_of, message_of
from sparkperso.services.serve.rpc.personalization_pb2_grpc import PersonalizationServicer
from sparkperso.services.serve.service import Service

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""Status of a problem → code; INTERNAL for others."""
RETRY_AFTER = "Retry-After"
FAILED = "The request could not be answered. It changed nothing."
TURN = 16
"""Requests of one stream that are answered before others have their turn."""
PREFIX = "grpc:"
"""Before a route in metrics and in the audit."""
log = logging.getLogger("sparkperso.serve")
Answer = TypeVar("Answer", bound=Message)
Result = TypeVar("Result")


class Personalization(PersonalizationServicer):
    """Answers the calls of one process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._streams = ConcurrencyLimits(service.settings.api.limits.max_streams_per_address)

    # gRPC names its methods as the .proto does.
    async def Recommend(self, request: pb.RecommendRequest, context: Any) -> pb.ListAnswer:  # noqa: N802
        """Lists what suits one person."""
        return await self._answered(context, self._recommend(request, context))

    async def RecommendStream(  # noqa: N802
        self, requests: AsyncIterator[pb.RecommendRequest], context: Any
    ) -> AsyncIterator[pb.ListResult]:
        """Lists what suits many, one after the other, until nothing is asked for a while."""
        limits, peer = self._service.settings.api.limits, peer_of(context.peer())
        with self._streams.held(peer) as is_held:
            # Before the first request is waited for: whoever is nobody holds no place.
            await self._answered(context, self._admit_stream(context, is_held))
            waiting = aiter(requests)
            n_answered = 0
            while True:
                try:
                    request = await asyncio.wait_for(anext(waiting), limits.stream_idle_seconds)
                except (StopAsyncIteration, asyncio.TimeoutError):
                    return
                yield await self._result(request, context)
                n_answered += 1
                if n_answered % TURN == 0:
                    # Who sends much at once keeps others waiting no longer than that.
                    await asyncio.sleep(0)

    async def _admit_stream(self, context: Any, is_held: bool) -> None:
        """Lets a stream in; raises a Problem: 401, or 429 with too many of one address."""
        self._call(context, "recommendations")
        if not is_held:
            raise Problem(429, "too_many", "This address has too many streams.")

    async def _result(self, request: pb.RecommendRequest, context: Any) -> pb.ListResult:
        """Returns the answer to one request of a stream, or the problem in its place."""
        try:
            return pb.ListResult(answer=await self._recommend(request, context))
        except Exception as error:
            return pb.ListResult(problem=_problem_message(self._problem_of(error)))

    async def Similar(self, request: pb.SimilarRequest, context: Any) -> pb.ListAnswer:  # noqa: N802
        """Lists what is like an item."""

        async def answer() -> pb.ListAnswer:
            call = self._call(context, "similar")
            members = members_of(request)
            listed = await operations.similar(self._service, call, request.item_id, members)
            return list_answer(listed, self._service.store_version)

        return await self._answered(context, answer())

    async def Next(self, request: pb.NextRequest, context: Any) -> pb.ListAnswer:  # noqa: N802
        """Lists what comes next in a session."""

        async def answer() -> pb.ListAnswer:
            call = self._call(context, "next")
            listed = await operations.next_items(self._service, call, members_of(request))
            return list_answer(listed, self._service.store_version)

        return await self._answered(context, answer())

    async def Personalize(  # noqa: N802
        self, request: pb.PersonalizeRequest, context: Any
    ) -> pb.PersonalizeAnswer:
        """Gives what each slot shows."""

        async def answer() -> pb.PersonalizeAnswer:
            service = self._service
            call = self._call(context, "personalize")
            shown = await operations.personalize(service, call, members_of(request))
            if shown.page is not None:
                return pb.PersonalizeAnswer(decision_id=shown.decision_id, page=shown.page)
            document = slots_document(shown.answer, shown.decision_id, service.store_version)
            return message_of(pb.PersonalizeAnswer, document)

        return await self._answered(context, answer())

    async def Decide(self, request: pb.DecideRequest, context: Any) -> pb.DecideAnswer:  # noqa: N802
        """Gives the variants of experiments that somebody sees."""

        async def answer() -> pb.DecideAnswer:
            call = self._call(context, "decide")
            decided = await operations.decide(self._service, call, members_of(request))
            document = assigned_document(*decided, self._service.store_version)
            return message_of(pb.DecideAnswer, document)

        return await self._answered(context, answer())

    async def GetSegments(self, request: pb.PersonRequest, context: Any) -> pb.SegmentsAnswer:  # noqa: N802
        """Lists the segments of a person."""
        known = operations.segments, "segments", pb.SegmentsAnswer
        return await self._answered(context, self._known(request, context, *known))

    async def GetProfile(self, request: pb.PersonRequest, context: Any) -> pb.ProfileAnswer:  # noqa: N802
        """Gives what rules know of a person."""
        known = operations.profile, "profile", pb.ProfileAnswer
        return await self._answered(context, self._known(request, context, *known))

    async def RenderEmail(self, request: pb.RenderEmailRequest, context: Any) -> pb.Email:  # noqa: N802
        """Makes a mail for a person."""

        async def answer() -> pb.Email:
            call = self._call(context, "email")
            mail = await render_mail(self._service, call.caller, members_of(request))
            return message_of(pb.Email, mail_document(mail))

        return await self._answered(context, answer())

    async def _recommend(self, request: pb.RecommendRequest, context: Any) -> pb.ListAnswer:
        service = self._service
        call = self._call(context, "recommendations")
        members = members_of(request)
        user_id = read.read_id(members.pop("id", None), "The id of a person")
        sent = read.context_of(members.pop("context", {}), service.countries)
        query = list_query(service, members)._replace(context=sent)
        listed = await operations.recommend(service, call, user_id, query)
        return list_answer(listed, service.store_version)

    async def _known(
        self,
        request: pb.PersonRequest,
        context: Any,
        operation: Callable[[Service, Call, Any], Awaitable[operations.Known]],
        name: str,
        kind: type[Answer],
    ) -> Answer:
        service = self._service
        call = self._call(context, name)
        known = await operation(service, call, request.user_id)
        document = known_document(name, known, service.store_version, service.as_of)
        return message_of(kind, document)

    def _call(self, context: Any, route: str) -> Call:
        """Returns a call that was let in; raises a Problem: 401 or 429."""
        headers = headers_of(context.invocation_metadata())
        caller = self._service.gate.admit(headers, peer_of(context.peer()))
        return Call(caller, headers, f"{PREFIX}{route}")

    async def _answered(self, context: Any, answer: Awaitable[Result]) -> Result:
        """Returns an answer; ends the call with a status where there is none."""
        try:
            return await answer
        except Exception as error:
            problem = self._problem_of(error)
            seconds = problem.headers.get(RETRY_AFTER)
            more = ((RETRY_AFTER.lower(), seconds),) if seconds else ()
            code = CODES.get(problem.status, grpc.StatusCode.INTERNAL)
            await context.abort(code, problem.detail, more)
            raise AssertionError("abort raises") from error

    def _problem_of(self, error: Exception) -> Problem:
        if not isinstance(error, Problem):
            log.error("a call of gRPC failed", exc_info=error)
            error = Problem(500, "internal", FAILED)
        self._service.metrics.problems.labels(error.code).inc()
        return error


def headers_of(metadata: Any) -> dict[bytes, bytes]:
    """Returns metadata as headers of HTTP: of a name that came with two values, both."""
    headers: dict[bytes, bytes] = {}
    for name, value in metadata or ():
        key = name.encode()
        data = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
        before = headers.get(key)
        headers[key] = data if before in (None, data) else b"%b, %b" % (before, data)
    return headers


def peer_of(text: str) -> str | None:
    """Returns the address in what gRPC says of the other end; None of a socket without one.

    >>> peer_of("ipv4:127.0.0.1:4711"), peer_of("ipv6:%5B::1%5D:4711"), peer_of("unix:/run/x")
    ('127.0.0.1', '::1', None)
    """
    kind, _, address = text.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return None
    host = address.rpartition(":")[0]
    return host.replace("%5B", "").replace("%5D", "").strip("[]")


def _problem_message(problem: Problem) -> pb.Problem:
    seconds = problem.headers.get(RETRY_AFTER)
    return pb.Problem(
        status=problem.status,
        code=problem.code,
        detail=problem.detail,
        retry_after=int(seconds) if seconds else None,
    )
