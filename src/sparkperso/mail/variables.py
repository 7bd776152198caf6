"""What a mail's template may name: the person, what slots show, lists of items, texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sparkperso.config.mail.section import ITEM_ID as ITEM_ID_IN_URL
from sparkperso.config.mail.section import MailConfig
from sparkperso.config.mail.template import ItemFact
from sparkperso.core.columns import CATEGORY, ITEM_ID
from sparkperso.decisions.items import Item


@dataclass(frozen=True, slots=True)
class MailItem:
    """An item of a list."""

    item_id: str
    title: str
    """The item's id, where it has none and the list does not need one."""
    price: float | None
    """None where it is not known: no price is shown then."""
    category: str | None
    picture: str | None
    """Address of its picture, by https; None where it has none."""
    url: str | None
    """Of its page; None where mail.item_url names none."""
    reason: str | None
    """Why it is listed."""
    rank: int


@dataclass(frozen=True, slots=True)
class MailSlot:
    """What a slot shows."""

    content_id: str | None
    """None where it shows nothing."""
    variant: str | None
    body: Any
    """HTML, to be written as it is, or what JSON holds; an empty text where it shows nothing."""
    items: tuple[MailItem, ...] = ()


@dataclass(frozen=True, slots=True)
class MailPerson:
    """Who gets the mail."""

    name: str = ""
    """Empty where it is not known."""
    country: str | None = None
    segments: tuple[str, ...] = ()
    """Ids."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """As rules name them; ask by `.get('top_category')` what may not be known."""


@dataclass(frozen=True)
class Recipient:
    """Who gets a mail, as far as it is about them; their address is the sender's business."""

    user_id: str
    """Opaque, as silver/events has it: it stands in links."""
    may_market: bool
    """Whether they agreed to marketing, or nobody need ask (`decisions.facts.may_market`)."""
    name: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    """What the mail's `data` names."""


def mail_item(
    item: Item, rank: int, config: MailConfig, needs: Sequence[ItemFact]
) -> MailItem | None:
    """Returns an item as a template sees it; None where it lacks what its list needs."""
    facts: dict[ItemFact, Any] = {
        "title": str(item.get("title") or "").strip(),
        "price": _price(item.get("price")),
        "picture": _picture(item, config.picture_attributes),
        "url": _url(item, config.item_url),
    }
    if any(facts[name] in (None, "") for name in needs):
        return None
    return MailItem(
        item[ITEM_ID],
        facts["title"] or item[ITEM_ID],
        facts["price"],
        item.get(CATEGORY),
        facts["picture"],
        facts["url"],
        item.get("reason"),
        rank,
    )


def _price(value: Any) -> float | None:
    try:
        price = float(value)
    except (TypeError, ValueError):
        return None
    return price if math.isfinite(price) and price >= 0 else None


def _picture(item: Item, names: Iterable[str]) -> str | None:
    attributes = item.get("attributes") or {}
    found = (str(attributes.get(name) or "").strip() for name in names)
    return next((url for url in found if url.startswith("https://")), None)


def _url(item: Item, pattern: str | None) -> str | None:
    return pattern and pattern.replace(
        ITEM_ID_IN_URL, quote(item[ITEM_ID], safe="", errors="replace")
    )
