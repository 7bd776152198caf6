"""What the API does, whichever protocol a request came by: read, checked, answered.

A protocol brings a call, which it has admitted (`Gate.admit`), and its members: names and JSON's
values, or the texts of a query. It makes its own form of what is returned. What cannot be is a
Problem, raised before anything is read from the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from sparkperso.config.content.slots import ListKind
from sparkperso.core.errors import UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.rules.context import RequestContext
from sparkperso.services.access.caller import Caller
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.engine.assigning import Assigned
from sparkperso.services.serve.engine.lists import ListAnswer
from sparkperso.services.serve.engine.people import USER, Subject
from sparkperso.services.serve.engine.requests import (
    ExperimentsRequest,
    ListRequest,
    SlotsRequest,
)
from sparkperso.services.serve.engine.slots import SlotsAnswer
from sparkperso.services.serve.engine.store_access import Fallback, StoreUnavailable
from sparkperso.services.serve.service import DECIDE, RECOMMEND, Service
from sparkperso.services.stores.records import PROFILES, SEGMENTS

Headers = Mapping[bytes, bytes]
Members = Mapping[str, Any]
READ = "profile:read"
"""The scope of what is known of a person."""
FORMATS = ("json", "page")
MOST_SLOTS = 50
BESIDE = ("recent", "cart", "n")
"""Fields of the context that may stand beside it, and then go before those in it."""


class Call(NamedTuple):
    """One request, as its protocol brings it."""

    caller: Caller
    headers: Headers
    route: str
    """What it is counted and audited as."""


class ListQuery(NamedTuple):
    """What a request for a person's list asks for, whoever it is for."""

    kind: ListKind
    n: int
    exclude: tuple[str, ...]
    category: str | None
    context: RequestContext
    explain: bool
    anonymous_id: str | None


class Listed(NamedTuple):
    """A list as it was answered with, and what it was asked by: `name` is user_id or item_id."""

    name: str
    value: str
    answer: ListAnswer
    decision_id: str


class Shown(NamedTuple):
    """What slots show; `page` where a whole page was asked for, as HTML."""

    answer: SlotsAnswer
    decision_id: str
    page: str | None = None


class Known(NamedTuple):
    """What is known of a person: the value of a record, None without one; and why there is none."""

    user_id: str
    value: Any
    fallback: Fallback | None


def list_query(service: Service, members: Members) -> ListQuery:
    """Returns what a request for a person's list asks for; raises a 422 Problem."""
    return ListQuery(
        read.read_kind(members.get("kind")),
        read.read_count(members.get("n"), service.settings.api.items),
        read.read_ids(members.get("exclude"), "exclude"),
        read.read_category(members.get("category")),
        _context(service, members),
        read.read_flag(members.get("explain"), "explain"),
        read.read_optional_id(members.get("anonymous_id"), "anonymous_id"),
    )


async def recommend(service: Service, call: Call, user_id: str, query: ListQuery) -> Listed:
    """Returns the list of one person; raises a 403 Problem for somebody else's."""
    subject = service.subject(call.caller, call.headers, user_id, query.anonymous_id, query.context)
    request = ListRequest(subject, *query[:-1])
    return Listed("user_id", user_id, *await service.list(request, call.route))


async def similar(service: Service, call: Call, item_id: Any, members: Members) -> Listed:
    """Returns what is like an item, for everybody the same; raises a 403 or 422 Problem."""
    call.caller.require(RECOMMEND)
    item_id = read.read_id(item_id, "The id of an item")
    request = ListRequest(
        Subject(),
        "similar",
        read.read_count(members.get("n"), service.settings.api.items),
        read.read_ids(members.get("exclude"), "exclude"),
        context={"in_view": item_id},
    )
    return Listed("item_id", item_id, *await service.list(request, call.route))


async def next_items(service: Service, call: Call, members: Members) -> Listed:
    """Returns what comes next in a session, of a visitor or of a person; raises a Problem."""
    user_id, anonymous_id = _ids(members)
    context = {
        **_context(service, members),
        "recent": read.read_ids(members.get("recent"), "recent"),
    }
    request = ListRequest(
        service.subject(call.caller, call.headers, user_id, anonymous_id, context),
        "next",
        read.read_count(members.get("n"), service.settings.api.items),
        read.read_ids(members.get("exclude"), "exclude"),
        context=context,
    )
    name, value = ("user_id", user_id) if user_id else ("anonymous_id", anonymous_id or "")
    return Listed(name, value, *await service.list(request, call.route))


async def personalize(service: Service, call: Call, members: Members) -> Shown:
    """Returns what each slot shows: content, lists, and why; raises a Problem."""
    form = members.get("format")
    form = "json" if form is None else form
    if form not in FORMATS:
        raise read.invalid(f"format should be one of {', '.join(FORMATS)}.")
    # Before anything is decided: what was decided is logged.
    page = service.pages.known(members.get("page"))
    context = _context(service, members, BESIDE)
    request = SlotsRequest(
        service.subject(call.caller, call.headers, *_ids(members), context),
        _slots(members.get("slots"), service),
        context,
        read.read_ids(members.get("exclude"), "exclude"),
        explain=read.read_flag(members.get("explain"), "explain"),
    )
    try:
        answer, decision_id = await service.decide(request, call.route)
    except UsageError as error:
        raise read.invalid(str(error)) from None
    if form == "json":
        return Shown(answer, decision_id)
    text = service.pages.render(page, answer, decision_id, context)
    return Shown(answer, decision_id, text)


class Variants(NamedTuple):
    """The variants that somebody is given."""

    answer: Assigned
    decision_id: str


async def decide(service: Service, call: Call, members: Members) -> Variants:
    """Returns the variants of the experiments that are asked for, or of all; raises a Problem."""
    user_id, anonymous_id = _ids(members)
    context = _context(service, members)
    names = _experiments(members.get("experiments"), service)
    subject = service.subject(
        call.caller, call.headers, user_id, anonymous_id, context, scope=DECIDE
    )
    return Variants(*await service.assign(ExperimentsRequest(subject, names, context), call.route))


def _experiments(value: Any, service: Service) -> tuple[str, ...] | None:
    """The names of the experiments that are asked for; None for all that are running."""
    if value is None:
        return None
    names = read.read_ids(value, "experiments")
    known = service.experiments.splits
    for name in names:
        if name not in known:
            near = did_you_mean(name, known, "Leave it out: without any, all that run are decided")
            raise read.invalid(f"There is no experiment '{name[:80]}'. {near}")
    return tuple(dict.fromkeys(names))


async def segments(service: Service, call: Call, user_id: Any) -> Known:
    """Returns the segments of a person, a list; raises a 403 or 422 Problem."""
    known = await _known(service, call, user_id, SEGMENTS)
    return known._replace(value=known.value or [])


async def profile(service: Service, call: Call, user_id: Any) -> Known:
    """Returns what rules know of a person; raises a 403, 404 or 422 Problem."""
    known = await _known(service, call, user_id, PROFILES)
    if known.value is None and known.fallback is None:
        raise Problem(404, "no_profile", "There is no profile of this person.")
    return known


async def _known(service: Service, call: Call, user_id: Any, namespace: str) -> Known:
    """The record of a person; the audit notes who asks."""
    user_id = read.read_id(user_id, "The id of a person")
    call.caller.require_user(READ, user_id)
    service.audit.user(call.caller, user_id, call.route)
    known_as = service.identifiers.known_as(USER, user_id)
    try:
        (record,) = await service.store.get_many([(namespace, known_as)])
    except StoreUnavailable as error:
        return Known(user_id, None, error.why)
    return Known(user_id, orjson.loads(record) if record else None, None)


def known_document(
    name: str, known: Known, store_version: str | None, as_of: datetime | None
) -> dict[str, Any]:
    """Returns what is known of a person under `name`, and where it is from, as JSON's values."""
    return {
        "user_id": known.user_id,
        name: known.value,
        "store_version": store_version,
        "as_of": as_of.isoformat() if as_of else None,
        "fallback": known.fallback,
    }


def _ids(members: Members) -> tuple[str | None, str | None]:
    """Whom a request names: user_id and anonymous_id."""
    return (
        read.read_optional_id(members.get("user_id"), "user_id"),
        read.read_optional_id(members.get("anonymous_id"), "anonymous_id"),
    )


def _context(service: Service, members: Members, beside: tuple[str, ...] = ()) -> RequestContext:
    """The context of a request, with those of its members that may stand `beside` it."""
    sent = members.get("context")
    context = {} if sent in (None, {}) else read.context_of(sent, service.countries)
    of_request = {name: members[name] for name in beside if name in members}
    if not of_request:
        return context
    # Each is read, so that what is odd is refused even where the other one counts.
    return {**context, **read.context_of(of_request, service.countries)}


def _slots(value: Any, service: Service) -> tuple[str, ...]:
    """The names of the slots that are asked for; all of them without any."""
    if value is None:
        return tuple(service.book.slots)
    names = [value] if isinstance(value, str) else value
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or not 1 <= len(names) <= MOST_SLOTS:
        raise read.invalid(f"slots should be a list of 1 to {MOST_SLOTS} names.")
    return tuple(dict.fromkeys(names))
