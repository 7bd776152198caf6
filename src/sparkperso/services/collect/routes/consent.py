"""POST and GET /v1/consent: what a person decides; GET /v1/consent/policy: what a banner asks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.config.consent import ConsentConfig
from sparkperso.core.times import iso
from sparkperso.services.collect.intake.consent_gate import PERSONS
from sparkperso.services.collect.intake.cookies import new_anonymous_id
from sparkperso.services.collect.intake.event_validation import Invalid, check_consent, check_time
from sparkperso.services.collect.intake.request_context import RequestContext
from sparkperso.services.collect.intake.request_services import RequestServices
from sparkperso.services.collect.intake.typed_fields import identifier_of
from sparkperso.services.collect.routes.events import json_response, single_answer
from sparkperso.services.http.body import Headers
from sparkperso.services.http.headers import headers_of
from sparkperso.services.http.problems import Problem
from sparkperso.services.http.signals import place_of

ABOUT = ("purposes", "policy_version", "region", "method")
TIMES = ("decided_at", "sent_at")
NEEDS_SERVER_KEY = (
    "A yes for a user_id, and reading what others decided, need the site's server key"
    " (collect.sites.<name>.server_key_env): the key of a page or an app is known to everybody."
)


def routes(service: RequestServices, policy: ConsentConfig) -> list[Route]:
    """Returns the routes of consent."""

    async def post_consent(request: Request) -> Response:
        """Keeps a decision; a browser that agrees to something gets its cookie, or loses it."""
        body = await service.json(request)
        site, facts = service.site(request, body), service.facts(request)
        event = consent_event(body, facts, policy)
        if not site.is_server and _decides_for_others(
            event, body, facts, headers_of(request.scope)
        ):
            raise Problem(403, "server_key", NEEDS_SERVER_KEY)
        if not any(name in event for name in PERSONS):
            # A no of somebody without any identifier: there is nothing to keep, or to stop.
            return json_response({"status": "accepted", "stored": False})
        # One request, so that all of it is durable before it is answered.
        events = [event, *_of_cookie(event, facts)]
        result = single_answer((await service.pipeline.take(events, site, facts))[0])
        response = json_response({**result, "stored": True})
        is_any_granted = any(service.pipeline.decisions(site, event).values())
        _set_cookie(service, response, event.get("anonymous_id"), is_any_granted)
        return response

    async def get_consent(request: Request) -> Response:
        """Returns what was decided by the cookie's browser; for a server, by whom the query names.

        Raises a 403 Problem for a write key that asks for others: it would tell anybody.
        """
        site, facts = service.site(request), service.facts(request)
        own = {"anonymous_id": facts.anonymous_id} if facts.anonymous_id else {}
        person = {name: text for name, text in request.query_params.items() if name in PERSONS}
        if person and not site.is_server and person != own:
            raise Problem(403, "server_key", NEEDS_SERVER_KEY)
        state = service.pipeline.decisions(site, person or own)
        return json_response({"policy_version": policy.policy_version, "purposes": state})

    async def get_policy(request: Request) -> Response:
        """Returns the purposes in words, the policy's version and the rule of a region."""
        code = request.query_params.get("region")
        place = place_of(None, code) or place_of(code, None)  # a part of a country, or a country
        region = place if code else service.facts(request).region
        return json_response(
            {
                "policy_version": policy.policy_version,
                "policy_url": policy.policy_url,
                "purposes": policy.purposes,
                "region": region,
                "regime": policy.regime_of(region),
            }
        )

    return [
        Route("/v1/consent", post_consent, methods=["POST"]),
        Route("/v1/consent", get_consent, methods=["GET"]),
        Route("/v1/consent/policy", get_policy, methods=["GET"]),
    ]


def consent_event(body: Any, facts: RequestContext, policy: ConsentConfig) -> dict[str, Any]:
    """Returns the event of a decision; somebody new who agrees to anything gets an identifier.

    Its time is that of the decision, `decided_at`; without it, that of arrival. Raises a 422
    Problem for a body that decides nothing clear.
    """
    purposes = _decision(body)
    decided_at = _decided_at(body, facts.received_at)
    metadata = {"policy_version": policy.policy_version, "method": "api", "region": facts.region}
    metadata |= {name: body[name] for name in ABOUT if body.get(name) is not None}
    event: dict[str, Any] = {
        "event_type": "consent",
        "event_id": str(uuid.uuid4()),
        "timestamp": decided_at,
        "metadata": {name: value for name, value in metadata.items() if value is not None},
        **{name: _as_text(body[name]) for name in PERSONS if body.get(name) is not None},
    }
    if facts.anonymous_id or any(purposes.values()):
        event.setdefault("anonymous_id", facts.anonymous_id or new_anonymous_id())
    return event


def _set_cookie(
    service: RequestServices, response: Response, name: str | None, is_any_granted: bool
) -> None:
    """Gives a browser that agreed to something its cookie, and takes it from one that did not."""
    if not is_any_granted:
        service.cookies.remove_on(response)
    elif name and service.cookies.is_own(name):
        service.cookies.set_on(response, name)


def _as_text(name: Any) -> Any:
    """Returns an identifier as events have it; what is none is refused with its event."""
    text = identifier_of(name)
    return name if text is None else text


def _decision(body: Any) -> dict[str, bool]:
    if not isinstance(body, dict) or not body.keys() <= {*PERSONS, *ABOUT, *TIMES, "writeKey"}:
        names = ", ".join((*PERSONS, *ABOUT, *TIMES))
        detail = f"The body should be an object of {names}."
        raise Problem(422, "invalid", detail)
    try:
        check_consent(body)
    except Invalid as error:
        raise Problem(422, "invalid", f"The decision cannot be taken: {error}.") from None
    purposes: dict[str, bool] = body["purposes"]
    return purposes


def _of_cookie(event: Mapping[str, Any], facts: RequestContext) -> list[dict[str, Any]]:
    """Returns the same decision of the cookie's id, where a page names another of its browser."""
    cookie = facts.anonymous_id
    if cookie is None or event.get("anonymous_id") == cookie:
        return []
    own = {name: value for name, value in event.items() if name != "user_id"}
    return [{**own, "anonymous_id": cookie, "event_id": f"{event['event_id']}:cookie"}]


def _decided_at(body: Mapping[str, Any], received_at: str) -> str:
    """Returns when it was decided, by our clock; raises a 422 Problem for what is no time.

    The sender's clock is set right by its time of sending, where it says that. A time to come
    would outlast the decisions after it: it counts as now.
    """
    try:
        decided, sent = (
            _moment(check_time(name, body[name])) if body.get(name) is not None else None
            for name in TIMES
        )
    except Invalid as error:
        raise Problem(422, "invalid", f"The decision cannot be taken: {error}.") from None
    if decided is None:
        return received_at
    received = _moment(received_at)
    age = (sent or received) - decided
    return iso(received - max(age, timedelta()))


def _moment(text: str) -> datetime:
    """Returns the time that `iso` wrote; Python 3.10 does not read its Z."""
    return datetime.fromisoformat(f"{text[:-1]}+00:00")


def _decides_for_others(
    event: Mapping[str, Any], body: Mapping[str, Any], facts: RequestContext, headers: Headers
) -> bool:
    """Says whether a body agrees for a user id alone: no browser or device is there that agrees.

    A page says its origin with every POST, and gets an id of its own; a script or a server that
    has only a user's id to name speaks of somebody else.
    """
    is_granted = any(event["metadata"]["purposes"].values())
    is_alone = body.get("anonymous_id") is None and facts.anonymous_id is None
    return is_granted and "user_id" in event and is_alone and b"origin" not in headers
