"""Who sent a request, and what they may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sparkperso.config.security import SCOPES
from sparkperso.services.access.refusals import other_user, out_of_scope

Kind = Literal["user", "browser", "service", "key"]
OWN_SCOPES = {
    "user": frozenset({"recommend", "profile:read", "decide"}),
    "browser": frozenset({"recommend", "decide"}),
}
"""What people may do, for themselves alone. A browser's token stands in a page, where any script
may find it: it shows what the page shows, no profile."""
FOR_ANYONE = frozenset({"service", "key"})
"""Kinds of callers that ask for any user."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, as their token or key proves it.

    `subject` is a user's id, a visitor's anonymous id (`is_anonymous`), or a service's or key's
    name. `name` tells callers apart in limits; a user's is one, whoever issued the token.
    `until` is when the token ends, in seconds since 1970; None for a key.
    """

    kind: Kind
    subject: str
    scopes: frozenset[str]
    name: str
    is_anonymous: bool = False
    until: float | None = None

    def may_read(self, user_id: str) -> bool:
        """Says whether what is known of a user may be shown: to a service, and to the user."""
        if self.kind in FOR_ANYONE:
            return True
        return not self.is_anonymous and self.subject == user_id

    def may_read_visitor(self, anonymous_id: str) -> bool:
        """Says whether what is known of a visitor may be shown: to a service, and to the visitor.

        An anonymous id is one that a browser made up: it opens no user's data, even where it reads
        as that user's id.
        """
        if self.kind in FOR_ANYONE:
            return True
        return self.is_anonymous and self.subject == anonymous_id

    def require(self, scope: str) -> None:
        """Raises a 403 Problem where the caller lacks a scope.

        It says nothing of whose data: `require_user` and `require_visitor` do.
        """
        if scope not in self.scopes:
            raise out_of_scope(scope)

    def require_user(self, scope: str, user_id: str) -> None:
        """Raises a 403 Problem where the caller lacks a scope, or may not read this user's data.

        It is the same whether there is such a user or not.
        """
        self.require(scope)
        if not self.may_read(user_id):
            raise other_user()

    def require_visitor(self, scope: str, anonymous_id: str) -> None:
        """Raises a 403 Problem where the caller lacks a scope, or is not this visitor."""
        self.require(scope)
        if not self.may_read_visitor(anonymous_id):
            raise other_user()


LOCAL_CALLER = Caller("key", "local-dev-token", SCOPES, "key:local-dev-token")
"""Whoever has the token of `--env local`: it may do everything."""
