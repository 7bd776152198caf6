"""What all routes share: settings, keys, the pipeline, and how a request is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from sparkperso.config.collect import CollectConfig
from sparkperso.services.collect.intake.cookies import Cookies
from sparkperso.services.collect.intake.pipeline import Pipeline
from sparkperso.services.collect.intake.request_context import RequestContext, context_of
from sparkperso.services.collect.metrics import Metrics
from sparkperso.services.http.addresses import Addresses
from sparkperso.services.http.body import Bodies, Headers
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.write_keys import SiteKey, WriteKeys, key_of


@dataclass(frozen=True)
class RequestServices:
    """The collector's parts."""

    config: CollectConfig
    bodies: Bodies
    ring: WriteKeys
    pipeline: Pipeline
    cookies: Cookies
    metrics: Metrics
    addresses: Addresses

    async def json(self, request: Request) -> Any:
        """Returns a request's JSON body; raises a Problem (400, 408, 413, 415)."""
        return await self.bodies.json(headers_of(request.scope), request.receive)

    async def json_if_any(self, request: Request) -> Any:
        """Returns the same, or None for a request without a body."""
        headers = headers_of(request.scope)
        has_body = headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
        return await self.json(request) if has_body else None

    def site(self, request: HTTPConnection, body: Any = None) -> SiteKey:
        """Returns the site whose key a request has: in its Authorization, its query or its body.

        Raises a Problem: 401 without a known key, 403 when a page of another origin sends, or
        when the key is a server's and comes from a page, a body or an address.
        """
        return self.site_of(request.scope, headers_of(request.scope), body)

    def site_of(self, scope: Scope, headers: Headers, body: Any = None) -> SiteKey:
        """Returns the same as `site`, of headers that were read before."""
        key = header_key = key_of(headers)
        if key is None and scope["query_string"]:
            key = QueryParams(scope["query_string"]).get("writeKey")
        if key is None and isinstance(body, dict):
            inside = body.get("writeKey")
            key = inside if isinstance(inside, str) else None
        site = self.ring.find(key)
        origin = headers.get(b"origin")
        # In an address or a page a secret would soon be known to others.
        if site.is_server and (header_key is None or origin is not None):
            detail = "A server's key should come as Authorization, and never from a page."
            raise Problem(403, "server_key", detail)
        if not site.allows(origin.decode("latin-1") if origin is not None else None):
            detail = f"Pages of this origin may not send for site '{site.site}'."
            raise Problem(403, "origin", detail)
        return site

    def facts(self, request: HTTPConnection) -> RequestContext:
        """Returns what a request says beside its body."""
        return self.context_of(request.scope, headers_of(request.scope))

    def context_of(self, scope: Scope, headers: Headers) -> RequestContext:
        """Returns the same as `facts`, of headers that were read before."""
        region = self.config.region_header
        name = region.lower().encode() if region else None
        cookie = self.cookies.read(headers.get(b"cookie"))
        return context_of(headers, name, cookie, self.sender(scope, headers))

    def sender(self, scope: Scope, headers: Headers) -> str | None:
        """Returns what stands for the address that a request came from, if that is known."""
        client = scope.get("client")
        return self.addresses.of_request(client[0] if client else None, headers)
