"""Answers to who may not: 401 and 403 with the challenge of RFC 6750, section 3."""

from __future__ import annotations

from sparkperso.services.http.problems import Problem

CHALLENGE = "WWW-Authenticate"
REALM = 'Bearer realm="sparkperso"'


def no_token() -> Problem:
    """Returns 401 for a request without any token; the challenge then names no error."""
    detail = "A token or an API key was expected, as 'Authorization: Bearer …'. None was found."
    return Problem(401, "no_token", detail, {CHALLENGE: REALM})


def invalid_token() -> Problem:
    """Returns 401 for what is no token or key that is valid here.

    It does not say why: whoever holds a good one need not know, and others shall not.
    """
    detail = "The token or API key is not valid here. Ask for another."
    return _refused(401, "invalid_token", detail, "invalid_token")


def expired_token() -> Problem:
    """Returns 401 for a token that was valid once: its client gets a new one and asks again."""
    return _refused(401, "expired_token", "The token has expired.", "invalid_token")


def out_of_scope(scope: str) -> Problem:
    """Returns 403 for a caller that lacks a scope, which the answer names."""
    detail = f"The token or API key lacks the scope '{scope}'."
    more = f', scope="{scope}"'
    return _refused(403, "insufficient_scope", detail, "insufficient_scope", more)


def other_user() -> Problem:
    """Returns 403 for a person's token that asks for somebody else."""
    detail = "This token reads only what is its own person's."
    return _refused(403, "other_user", detail, "insufficient_scope")


def _refused(status: int, code: str, detail: str, error: str, more: str = "") -> Problem:
    challenge = f'{REALM}, error="{error}", error_description="{detail}"{more}'
    return Problem(status, code, detail, {CHALLENGE: challenge})
