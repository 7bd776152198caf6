"""POST and GET /v1/consent: what a person decides; GET /v1/consent/policy: what a banner asks."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkperso.collect.checks import Invalid, check_consent
from sparkperso.collect.cookies import new_anonymous_id
from sparkperso.collect.events import json_response, single_answer
from sparkperso.collect.facts import Facts
from sparkperso.collect.problems import Problem
from sparkperso.collect.service import Service
from sparkperso.config.consent import ConsentConfig
from sparkperso.consent import OPTIONAL, decision_of

PERSONS = ("user_id", "anonymous_id")
ABOUT = ("purposes", "policy_version", "region", "method")


def routes(service: Service, policy: ConsentConfig) -> list[Route]:
    """Returns the routes of consent."""

    async def post_consent(request: Request) -> Response:
        """Keeps a decision; a browser that agrees to something gets its cookie, or loses it."""
        body = await service.json(request)
        site, facts = service.site(request, body), service.facts(request)
        event = consent_event(body, facts, policy)
        if not any(name in event for name in PERSONS):
            # A no of somebody without any identifier: there is nothing to keep, or to stop.
            return json_response({"status": "accepted", "stored": False})
        answer = single_answer((await service.pipeline.take([event], site, facts))[0])
        response = json_response({**answer, "stored": True})
        said = service.pipeline.decisions(site, event)
        is_any_given = any(decision_of(said, purpose) for purpose in OPTIONAL)
        _set_cookie(service, request, response, event.get("anonymous_id"), is_any_given)
        return response

    async def get_consent(request: Request) -> Response:
        """Returns what the person decided whom the query or the cookie names."""
        site, facts = service.site(request), service.facts(request)
        person = {
            name: request.query_params[name] for name in PERSONS if name in request.query_params
        }
        if facts.anonymous_id and not person:
            person["anonymous_id"] = facts.anonymous_id
        said = service.pipeline.decisions(site, person)
        state = {purpose: decision_of(said, purpose) for purpose in OPTIONAL}
        return json_response({"policy_version": policy.policy_version, "purposes": state})

    async def get_policy(request: Request) -> Response:
        """Returns the purposes in words, the policy's version and the rule of a region."""
        region = request.query_params.get("region") or service.facts(request).region
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


def consent_event(body: Any, facts: Facts, policy: ConsentConfig) -> dict[str, Any]:
    """Returns the event of a decision; somebody new who agrees to anything gets an identifier.

    Raises a 422 Problem for a body that decides nothing clear.
    """
    said = _decision(body)
    metadata = {"policy_version": policy.policy_version, "method": "api", "region": facts.region}
    metadata |= {name: body[name] for name in ABOUT if body.get(name) is not None}
    event: dict[str, Any] = {
        "event_type": "consent",
        "event_id": str(uuid.uuid4()),
        "timestamp": facts.received_at,
        "metadata": {name: value for name, value in metadata.items() if value is not None},
        **{name: body[name] for name in PERSONS if body.get(name) is not None},
    }
    if facts.anonymous_id or any(said.values()):
        event.setdefault("anonymous_id", facts.anonymous_id or new_anonymous_id())
    return event


def _decision(body: Any) -> dict[str, bool]:
    if not isinstance(body, dict) or not body.keys() <= {*PERSONS, *ABOUT, "writeKey"}:
        detail = f"The body should be an object of {', '.join((*PERSONS, *ABOUT))}."
        raise Problem(422, "invalid", detail)
    try:
        check_consent(body)
    except Invalid as error:
        raise Problem(422, "invalid", f"The decision cannot be taken: {error}.") from None
    purposes: dict[str, bool] = body["purposes"]
    return purposes


def _set_cookie(
    service: Service, request: Request, response: Response, name: str | None, is_any_given: bool
) -> None:
    if not is_any_given:
        service.cookies.remove_on(response, request)
    elif name and service.cookies.is_own(name):
        service.cookies.set_on(response, request, name)
