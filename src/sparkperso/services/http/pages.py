"""Pages for people who followed a link: what is wrong, or what they can do, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem

WORDS = {
    "forged_token": (
        "This link is not complete",
        "Mail programs sometimes cut or change long links. Open the message again and click the "
        "link there, or copy all of it into the address bar.",
    ),
    "expired_token": (
        "This link has expired",
        "Links in messages work for some time only. Visit the sender's site to find what you seek.",
    ),
    "target": (
        "This link leads nowhere any more",
        "The place that it led to is gone. Visit the sender's site to find what you seek.",
    ),
    "no_route": (
        "There is no such page",
        "If you followed a link in a message, open the message again and copy the whole link into "
        "the address bar.",
    ),
}
"""Code of a problem → heading and advice; others are shown in the problem's own words."""
SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 34rem;
  padding: 0 1rem;  color-scheme: light dark }}
h1 {{ font-size: 1.6rem; line-height: 1.2 }}
button {{ font: inherit; padding: .5rem 1.2rem; cursor: pointer }}
small {{ opacity: .7 }}
</style>
</head>
<body>
<main>
<h1>{heading}</h1>
<p>{advice}</p>
{rest}
</main>
</body>
</html>
"""


FORM = '<form method="post"><button>{}</button></form>'
"""Sent to the page's own address, with all that stands in it."""


def page(problem: Problem) -> Response:
    """Returns a problem as an HTML page, with its status and its headers.

    Texts are escaped, and the page may load nothing (its Content-Security-Policy): a link may hold
    anything.
    """
    own = (HTTPStatus(problem.status).phrase, problem.detail)
    heading, advice = WORDS.get(problem.code, own)
    small = f"<small>{problem.status} {escape(problem.code)}</small>"
    return _response(heading, advice, small, problem.status, problem.headers)


def notice(heading: str, advice: str, button: str | None = None) -> Response:
    """Returns a page of a heading and a sentence; a button sends a POST to the same address."""
    return _response(heading, advice, FORM.format(escape(button)) if button else "")


def wants_page(request: Request) -> bool:
    """Says whether a browser asks for something to show: it names HTML, and no program does."""
    return b"text/html" in headers_of(request.scope).get(b"accept", b"").lower()


def _response(
    heading: str,
    advice: str,
    rest: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    text = PAGE.format(heading=escape(heading), advice=escape(advice), rest=rest)
    return Response(text, status, {**(headers or {}), **SAFE}, "text/html")
