"""POST /v1/email/render: a mail of conf/mails, made for one person."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.openapi import Operation, Schema, described, json_answer
from sparkperso.services.serve import openapi
from sparkperso.services.serve.answers import mail_document
from sparkperso.services.serve.mails import (
    EMAIL,
    LONGEST_DATUM,
    LONGEST_NAME,
    MOST_DATA,
    render_mail,
)
from sparkperso.services.serve.routes.bodies import check_members, json_response, object_in
from sparkperso.services.serve.service import Service

MEMBERS: dict[str, Schema] = {
    "template": {"type": "string", "minLength": 1, "maxLength": 60},
    "user_id": openapi.ID,
    "name": {"type": "string", "maxLength": LONGEST_NAME},
    "data": {
        "type": "object",
        "maxProperties": MOST_DATA,
        "additionalProperties": {"type": "string", "maxLength": LONGEST_DATUM},
    },
    "context": openapi.ref("Context"),
}
MAIL = openapi.closed(
    {
        "subject": openapi.STRING,
        "html": openapi.STRING,
        "text": openapi.STRING,
        "headers": {"type": "object", "additionalProperties": openapi.STRING},
        "warnings": {"type": "array", "items": openapi.STRING},
    }
)


def routes(service: Service) -> list[Route]:
    """Returns the route of mails."""

    @described(
        Operation(
            answers={200: json_answer("The mail, with no address in it.", MAIL)},
            problems=(*openapi.OF_CALLERS, 409, *openapi.OF_BODIES),
            body=openapi.closed(MEMBERS, optional=("name", "data", "context")),
            security=openapi.SECURITY,
        )
    )
    async def post_email(request: Request) -> Response:
        """Makes a mail for a person: subject, HTML, plain text, headers."""
        headers = headers_of(request.scope)
        caller = service.admit(request.scope, headers)
        caller.require(EMAIL)
        body = await object_in(service, headers, request.receive)
        check_members(body, MEMBERS)
        return json_response(mail_document(await render_mail(service, caller, body)))

    return [Route("/v1/email/render", post_email, methods=["POST"])]
