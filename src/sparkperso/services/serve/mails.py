"""A mail of conf/mails for one person, whichever protocol it was asked for by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from sparkperso.config.content.slots import ListKind
from sparkperso.core.columns import ITEM_ID
from sparkperso.core.errors import UsageError
from sparkperso.decisions.facts import may_market
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.mail.message import Mail, MailError
from sparkperso.mail.plan import MailPlan
from sparkperso.mail.variables import Recipient
from sparkperso.services.access.caller import Caller
from sparkperso.services.http.problems import Problem
from sparkperso.services.serve import reading as read
from sparkperso.services.serve.engine.catalogue import Item
from sparkperso.services.serve.engine.lists import items_in
from sparkperso.services.serve.engine.people import USER, Person, Subject
from sparkperso.services.serve.engine.requests import ListRequest
from sparkperso.services.serve.engine.store_access import StoreUnavailable
from sparkperso.services.serve.service import Service
from sparkperso.services.stores.records import MARKETING_CONSENTS, subject_id

EMAIL = "email"
"""The scope of mails."""
MOST_DATA, LONGEST_NAME, LONGEST_DATUM = 20, 200, 2_000
NO_RULES = Rulebook({}, {}, {})
"""For lists as they are stored: the mail's own rules come after."""


async def render_mail(service: Service, caller: Caller, members: Mapping[str, Any]) -> Mail:
    """Returns the mail `template` for the person `user_id`; the other members are optional.

    Raises a Problem: 403 without the scope, 422 for what cannot be, 409 for a mail that is not
    made.
    """
    caller.require(EMAIL)
    mailer = service.mailer
    name = members.get("template")
    if not isinstance(name, str) or name not in mailer.templates.mails:
        names = ", ".join(sorted(mailer.templates.mails)) or "none: conf/mails is empty"
        raise read.invalid(f"template should be one of {names}.")
    user_id = read.read_id(members.get("user_id"), "user_id")
    context = read.context_of(members.get("context", {}), service.countries)
    known_as = service.identifiers.known_as(USER, user_id)
    subject = Subject(known_as, None, context.get("country"))
    person, may_send = await _person(service, ListRequest(subject, context=context))
    try:
        plan = mailer.plan(name, person.facts(context))
        lists, pinned = await _lists(service, plan, person)
        recipient = Recipient(known_as, may_send, _name(members), _data(members.get("data")))
        mail = mailer.render_for(plan, lists, recipient, catalogue=pinned)
    except UsageError as error:
        raise read.invalid(str(error)) from None
    except MailError as error:
        raise Problem(409, error.reason, f"The mail is not made: {error}.") from None
    return mail


async def _person(service: Service, request: ListRequest) -> tuple[Person, bool]:
    """The person, and whether marketing may be sent to them; nobody's consent is guessed."""
    subject = request.subject
    address = (MARKETING_CONSENTS, subject_id(USER, subject.user_id or ""))
    try:
        person = await service.people.person(subject, [address])
    except StoreUnavailable:
        return Person(subject, may_personalise=False), False
    record = person.more[0]
    decision = orjson.loads(record)["granted"] if record else None
    region = subject.region or person.attributes.get("country")
    return person, may_market(service.settings, decision, region)


async def _lists(
    service: Service, plan: MailPlan, person: Person
) -> tuple[dict[ListKind, list[Item]], Mapping[str, Item]]:
    """The items of each list that a mail wants, and those that rules pin."""
    found: dict[ListKind, list[Item]] = {}
    reader = replace(person, more=(), recent=())
    for kind, n in plan.wanted.items():
        request = ListRequest(person.subject, kind, n, context=plan.facts.context)
        try:
            answer = await service.lists.for_person(request, NO_RULES, reader)
        except StoreUnavailable as error:
            answer = await service.lists.without_store(request, NO_RULES, error.why)
        ids = [one[ITEM_ID] for one in items_in(answer.items)]
        known = await service.catalogue.items(ids)
        found[kind] = [known[item_id] for item_id in ids]
    return found, await service.catalogue.items(sorted(plan.pinned))


def _name(members: Mapping[str, Any]) -> str:
    name = members.get("name", "")
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise read.invalid(f"name should be a text of at most {LONGEST_NAME} characters.")
    return name


def _data(value: Any) -> dict[str, str]:
    data = {} if value is None else value
    if (
        not isinstance(data, dict)
        or len(data) > MOST_DATA
        or not all(map(_is_datum, data.values()))
    ):
        raise read.invalid(f"data should be an object of at most {MOST_DATA} texts.")
    return dict(data)


def _is_datum(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_DATUM
