"""Faults of mails, found before anybody is sent one: each is rendered with much and with little.

With much: a known person, full lists, prices and pictures. With little: nobody knows the person,
and items have what their list needs and nothing else. What is undefined in either is a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sparkperso.config import Settings
from sparkperso.config.mail.section import ITEM_ID, MailConfig
from sparkperso.config.mail.template import MAILS
from sparkperso.core.errors import ConfigError, UsageError
from sparkperso.core.suggest import nearest
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.items import Item
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.email.tokens import Links, make_links
from sparkperso.mail.message import MailError
from sparkperso.mail.plan import EMAIL, plan_mail
from sparkperso.mail.render import Mailer
from sparkperso.mail.sandbox import Text
from sparkperso.mail.templates import Edition, MailTemplate, Templates, read_templates
from sparkperso.mail.variables import Recipient

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
SIGNER = b"signs what nobody is sent"
STAND_IN = "shop.example"
"""For a shop whose address is not set."""
WORDS = frozenset({"campaign", "data", "language", "lists", "person", "shop_url", "slots", "year"})
"""What every text may name; a marketing mail's also `unsubscribe_url`."""
BODY_WORDS = frozenset({"preheader", "subject", "texts"})
"""What the body may name beside them."""


@dataclass(frozen=True)
class _Trial:
    """Something that a mail is rendered with."""

    words: str
    config: MailConfig
    facts: Facts
    recipient: Recipient
    item: Item


def make_mailer(
    settings: Settings, environ: Mapping[str, str], book: Rulebook, conf_dir: Path | None = None
) -> Mailer:
    """Returns what makes the mails of conf/mails, shown what `book` decides.

    Raises ConfigError that lists all their faults, and for a missing key of links.
    """
    templates = checked_templates(settings, book, conf_dir)
    if templates.faults:
        raise ConfigError(
            "Mails of conf/mails should be sound",
            "; ".join(templates.faults),
            "'sparkperso config check' lists them one by one",
        )
    links = make_links(settings, environ) if settings.links.site else None
    language = settings.serving.default_language
    return Mailer(templates, book, settings.mail, links, language)


def checked_templates(
    settings: Settings, book: Rulebook, conf_dir: Path | None = None
) -> Templates:
    """Returns the mails of conf/mails, with all that is wrong with them and what looks so."""
    templates = read_templates(conf_dir)
    for template in templates.mails.values():
        # What is wrong with the markup would be told again by what comes of it.
        if any(f"conf/{MAILS}/{template.name}." in fault for fault in templates.faults):
            continue
        for fault in (*_unsafe(template, settings), *_unknown_names(template)):
            templates.faults[fault] = None
        faults, notes = _tried(templates, template, settings, book)
        templates.faults |= dict.fromkeys(faults)
        templates.notes |= dict.fromkeys(notes)
    return templates


def _unsafe(template: MailTemplate, settings: Settings) -> Iterator[str]:
    links = settings.links
    is_sent = template.form.kind == "marketing" and links.site and settings.env != "local"
    if is_sent and not links.base_url.startswith("https://"):
        yield (
            f"links.base_url should begin with https://, found '{links.base_url}': mail programs "
            "unsubscribe by nothing else (RFC 8058)"
        )


def _unknown_names(template: MailTemplate) -> Iterator[str]:
    """Names that no mail has, also where the trials do not come by."""
    known = WORDS | ({"unsubscribe_url"} if template.form.kind == "marketing" else set())
    for edition in template.editions.values():
        for text, extra in _texts_of(edition):
            for name in sorted(text.names - known - extra):
                near = nearest(name, known | extra)
                hint = f" (did you mean '{near}'?)" if near else ""
                yield f"{text.place}: '{name}' is nothing that a mail has{hint}"


def _texts_of(edition: Edition) -> Iterator[tuple[Text, frozenset[str]]]:
    yield from ((text, frozenset()) for text in edition.words.values())
    yield edition.subject, frozenset({"texts"})
    yield edition.preheader, frozenset({"subject", "texts"})
    for text in (edition.body, edition.plain):
        if text is not None:
            yield text, BODY_WORDS


def _tried(
    templates: Templates, template: MailTemplate, settings: Settings, book: Rulebook
) -> tuple[list[str], list[str]]:
    faults: list[str] = []
    notes: list[str] = []
    for trial in _trials(template, settings):
        for language in template.editions:
            facts = _in_language(trial.facts, language)
            mailer = Mailer(templates, book, trial.config, _signer(settings), language)
            try:
                plan = plan_mail(book, template, facts)
                items = [{**trial.item, "item_id": f"{n}"} for n in range(200)]
                mail = mailer.render_for(plan, dict.fromkeys(plan.wanted, items), trial.recipient)
                notes += [f"conf/{MAILS}/{template.name}.yaml: {one}" for one in mail.warnings]
            except MailError as error:
                faults.append(f"{error} ({trial.words})")
            except UsageError as error:
                faults.append(f"conf/{MAILS}/{template.name}.yaml, slots: {error}")
    return faults, notes


def _trials(template: MailTemplate, settings: Settings) -> Iterator[_Trial]:
    shop = settings.mail.shop_url or f"https://{STAND_IN}/"
    own: dict[str, Any] = {"shop_url": shop}
    page = settings.mail.item_url or f"https://{STAND_IN}/item/{ITEM_ID}"
    pictures = dict.fromkeys(settings.mail.picture_attributes, f"https://{STAND_IN}/a.jpg")
    known = {"country": "DE", "frequency": 3, "top_category": "kitchen", "monetary": 10.0}
    much = {
        **{"title": 'Teapot "5\'" <&> für Gäste', "price": 1234.5, "category": "kitchen"},
        **{"attributes": pictures, "reason": "model", "tags": ["gift"]},
    }
    data = dict(template.form.data)
    needs = {need for one in template.form.lists.values() for need in one.needs} | {"title"}
    least = {"attributes" if need == "picture" else need for need in needs}
    yield _Trial(
        "with all that may be known",
        settings.mail.model_copy(update={**own, "item_url": page}),
        Facts(NOON, {}, "u-1", known, frozenset({"a-segment"}), may_personalise=True),
        Recipient("u-1", may_market=True, name="Anna Müller", data=data),
        much,
    )
    yield _Trial(
        "with little known of person and items",
        settings.mail.model_copy(update={**own, "item_url": page if "url" in needs else None}),
        Facts(NOON, {}, None),
        Recipient("u-1", may_market=True, data=data),
        {name: value for name, value in much.items() if name in least},
    )


def _in_language(facts: Facts, language: str) -> Facts:
    context = {**facts.context, "channel": EMAIL, "language": (language,)}
    return Facts(
        facts.at, context, facts.unit, facts.attributes, facts.segments, facts.may_personalise
    )


def _signer(settings: Settings) -> Links:
    own = {"site": settings.links.site or "check", "hosts": (*settings.links.hosts, STAND_IN)}
    config = settings.links.model_copy(update=own)
    return Links(config, [SIGNER], settings.env == "local")
