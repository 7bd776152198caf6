"""What a decision knows: the request, as conditions compare it, and its person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sparkperso.config import Settings
from sparkperso.config.content.section import LANGUAGE
from sparkperso.core.consent import is_allowed
from sparkperso.core.errors import UsageError
from sparkperso.core.event import CHANNELS
from sparkperso.core.spellings import snake_case
from sparkperso.core.suggest import did_you_mean
from sparkperso.rules.attributes import NUMBER
from sparkperso.rules.context import SENT, TEXTS, RequestContext

MOST_TEXTS = 500
"""Items in a cart, or lately seen, that a request may name."""
LONGEST = 2_000
"""Characters of a text of a request."""
_LANGUAGE = re.compile(LANGUAGE)


@dataclass(slots=True)
class Facts:
    """A request and its person, at one time; not frozen, which takes three times as long."""

    at: datetime
    """When; aware."""
    context: RequestContext = field(default_factory=dict)
    """What `read_context` returns."""
    unit: str | None = None
    """The id by which variants are dealt out: user_id, else anonymous_id."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Attribute → value, as `rules.attributes` names them; absent where not known."""
    segments: frozenset[str] = frozenset()
    """The ids of the segments that the person is in."""
    may_personalise: bool = False
    """Whether the person agreed to personalisation, or nobody need ask."""


def may_personalise(
    settings: Settings, decision: bool | None, region: str | None, *, opted_out: bool = False
) -> bool:
    """Says whether a person's lists, segments and profile may decide what they see.

    `decision` is their own on personalisation, None where they were never asked; `region` is where
    they are (ISO 3166-1 or -2), None where that is not known; `opted_out` says that the browser
    sent Global Privacy Control or Do Not Track.
    """
    regime = settings.consent.regime_of(region)
    return is_allowed("personalisation", settings.serving.consent, regime, decision, opted_out)


def may_market(settings: Settings, decision: bool | None, region: str | None) -> bool:
    """Says whether a person may be sent marketing mails.

    `decision` is their own on marketing, None where they were never asked; `region` is where they
    are, as in `may_personalise`. A browser's signal is of its visits, not of mails.
    """
    regime = settings.consent.regime_of(region)
    return is_allowed("marketing", settings.mail.consent, regime, decision, opted_out=False)


def read_context(sent: Mapping[str, Any], countries: Mapping[str, str]) -> dict[str, Any]:
    """Returns a request's context as conditions compare it: spelled as ingest spells.

    `countries` are names and codes in capitals → alpha-2 code. A text may stand for a list of one;
    `de-AT` becomes `de-at` and `de`. None, empty texts and languages that are none are left out.
    Raises UsageError for unknown fields, and for values of another type, or too long.

    >>> read_context({"language": "de-AT", "country": "UK", "cart": "a"}, {"UK": "GB"})
    {'language': ('de-at', 'de'), 'country': 'GB', 'cart': ('a',)}
    """
    context: dict[str, Any] = {}
    for name, value in sent.items():
        if name not in SENT:
            raise UsageError(
                f"A context has the fields {', '.join(SENT)}",
                f"Found '{name}'",
                did_you_mean(name, SENT, "Leave it out"),
            )
        if value is None or value in ("", (), []):
            continue
        if SENT[name] == NUMBER:
            context[name] = _number(name, value)
        elif spelled := _spelled(name, _texts(name, value), countries):
            context[name] = spelled if SENT[name] == TEXTS else spelled[0]
    return context


def _number(name: str, value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TEXTS:
        raise UsageError(f"{name} is a whole number from 1 to {MOST_TEXTS}", f"Found {value!r}")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    is_list = isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts)
    if not is_list or (len(texts) != 1 and SENT[name] != TEXTS):
        kind = "a list of texts" if SENT[name] == TEXTS else "a text"
        raise UsageError(f"{name} is {kind}", f"Found {str(value)[:80]!r}")
    if len(texts) > MOST_TEXTS or any(len(text) > LONGEST for text in texts):
        raise UsageError(
            f"{name} holds at most {MOST_TEXTS} texts of {LONGEST} characters",
            f"Found {len(texts)} of up to {max(map(len, texts))}",
        )
    return tuple(texts)


def _spelled(name: str, texts: tuple[str, ...], countries: Mapping[str, str]) -> tuple[str, ...]:
    if name == "country":
        return tuple(countries.get(text.strip().upper(), text) for text in texts)
    if name == "category":
        return tuple(spelled for text in texts if (spelled := snake_case(text)))
    if name == "device_type":
        return tuple(text.strip().lower() for text in texts)
    if name == "channel":
        unknown = [text for text in texts if text not in CHANNELS]
        if unknown:
            raise UsageError(f"channel is one of {', '.join(CHANNELS)}", f"Found '{unknown[0]}'")
    if name == "language":
        tags = [text.strip().lower().replace("_", "-") for text in texts]
        tags = [tag for tag in tags if _LANGUAGE.match(tag)]
        return tuple(dict.fromkeys(one for tag in tags for one in (tag, tag.partition("-")[0])))
    return texts
