"""What is answered to errors, by their kind: always a problem document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import Counter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sparkperso.services.http.body import ClientGone
from sparkperso.services.http.pages import page, wants_page
from sparkperso.services.http.problems import Problem

FAILED = "The collector failed. Nothing is certain: send the events again."


class ErrorHandlers:
    """Turns errors into responses, and counts them; `failed` is said of unexpected ones."""

    def __init__(self, problems: Counter, failed: str = FAILED) -> None:
        self._problems, self._failed = problems, failed

    def of(self, error: Exception, request: Request | None = None) -> Response:
        """Returns the response to an error; unexpected ones are 500 without details, in the log.

        A problem document (RFC 9457) for programs. Who followed a link (of an e-mail, say, which
        mangled it), or sent a page's form, gets a page to read.
        """
        problem = self._problem(error)
        self._problems.labels(problem.code).inc()
        is_shown = request is not None and wants_page(request)
        return page(problem) if is_shown else problem.response()

    @property
    def handlers(self) -> dict[Any, Callable[[Request, Exception], Response]]:
        """Returns Starlette's handlers."""
        kinds = (Problem, HTTPException, ClientGone, Exception)
        return dict.fromkeys(kinds, lambda request, error: self.of(error, request))

    def _problem(self, error: Exception) -> Problem:
        if isinstance(error, Problem):
            return error
        if isinstance(error, HTTPException):
            detail = f"{error.detail}. /openapi.json lists what there is."
            return Problem(error.status_code, "no_route", detail, error.headers)
        if isinstance(error, ClientGone):
            return Problem(400, "gone", "The body ended too early.")
        return Problem(500, "internal", self._failed)
