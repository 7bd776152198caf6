"""Answers that say no: RFC 9457's application/problem+json."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from sparkperso.services.http.request_log import REQUEST_ID

JSON = "application/problem+json"


class Problem(Exception):
    """A request that cannot be served; `code` names the problem, `detail` says what to do.

    `status` is the HTTP status; `headers` go with the answer, `more` into its body: extension
    members of RFC 9457, section 3.2.

    >>> Problem(404, "no_route", "There is no such page.").body()["title"]
    'Not Found'
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.more = dict(headers or {}), dict(more or {})

    def body(self) -> dict[str, Any]:
        """Returns the problem document (RFC 9457, section 3.1): type, title, status and detail.

        While a request that has an id is served, its `request_id` too.
        """
        return {
            "type": f"urn:sparkperso:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **({"request_id": request_id} if (request_id := REQUEST_ID.get()) else {}),
            **self.more,
        }

    def response(self) -> Response:
        """Returns the problem as an HTTP response."""
        return Response(orjson.dumps(self.body()), self.status, self.headers, JSON)


def busy(detail: str, seconds: int = 1) -> Problem:
    """Returns 503 with Retry-After in seconds: nothing was stored, the client sends it again."""
    return Problem(503, "busy", detail, {"Retry-After": str(seconds)})
