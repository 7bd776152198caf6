"""Finds e-mail addresses and payment card numbers in text.

It runs on every event, so `may_hold` first asks one question of a whole event's bytes; the
patterns start at the beginning of a run only, so that their time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from sparkperso.privacy.cards import MIN_DIGITS, card_length


class Finding(NamedTuple):
    """Where a personal value stands in a text; `kind` is `email` or `card`."""

    kind: str
    start: int
    end: int


LOCAL = r"[\w.!#$%'*+^`{|}~-]"
QUOTED = r'"[^"@\n[]{1,64}"'
DOMAIN = (
    r"(?:@|%(?:25)*40)"
    # Not an address: logo@2x.png, the picture for fine screens.
    r"(?!\dx\.(?:png|jpe?g|gif|webp|avif|svg)\b)"
    # Labels have their bound (RFC 1035): each @ costs a fixed time, wherever it stands.
    r"(?:[\w%-]{1,63}\.){1,16}(?:xn--[a-z0-9-]{1,59}|[^\W\d_]{2,63})"
)
EMAIL = re.compile(rf"(?:{QUOTED}|(?<!{LOCAL}){LOCAL}+){DOMAIN}")
NEXT_EMAIL = re.compile(rf"(?:{QUOTED}|{LOCAL}+){DOMAIN}")
RUN = re.compile(r"[0-9]+(?:[ +\u00a0-]{1,9}[0-9]+)*")
GROUP = re.compile(r"[0-9]+")
UUID = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
)
ESCAPE = re.compile(r"%(?:25)*[0-9A-Fa-f]{2}")
AT_ESCAPED = re.compile(rb"%(?:25)*40")
ESCAPE_BYTES = re.compile(rb"%[0-9A-Fa-f]{2}")
AS_DIGITS = bytes(0x30 if 0x30 <= code <= 0x39 else 0x78 for code in range(256))
SEPARATORS = b" +-\xc2\xa0"
LONG_RUN = b"0" * MIN_DIGITS


def may_hold(text: bytes) -> bool:
    """Says whether UTF-8 text can hold a finding; False is certain. About 1 µs per kilobyte."""
    return _may_hold_email(text) or _may_hold_card(text)


def _may_hold_email(text: bytes) -> bool:
    return b"@" in text or (b"%" in text and AT_ESCAPED.search(text) is not None)


def _may_hold_card(text: bytes) -> bool:
    if b"%" in text:
        text = ESCAPE_BYTES.sub(b"", text)
    return LONG_RUN in text.translate(AS_DIGITS, SEPARATORS)


def scan(text: str) -> list[Finding]:
    """Returns the e-mail addresses and card numbers of a text, in order, none within another."""
    data = text.encode("utf-8", "surrogatepass")
    emails = list(_emails(text)) if _may_hold_email(data) else []
    found = _cards(text) if _may_hold_card(data) else ()
    cards = (card for card in found if not any(_overlap(card, email) for email in emails))
    return sorted((*emails, *cards), key=lambda finding: finding.start)


def _emails(text: str) -> Iterator[Finding]:
    found = EMAIL.search(text)
    while found:
        yield Finding("email", *found.span())
        end = found.end()
        found = NEXT_EMAIL.match(text, end) or EMAIL.search(text, end)


def _cards(text: str) -> Iterator[Finding]:
    if "%" in text:  # The digits of an escape in a URL belong to no number.
        text = ESCAPE.sub(lambda found: " " * len(found[0]), text)
    if text.count("-") > 3:  # One UUID in some thousands has the digits of a card.
        text = UUID.sub(lambda found: "x" * len(found[0]), text)
    for run in RUN.finditer(text):
        if run.end() - run.start() >= MIN_DIGITS:
            yield from _cards_in(run[0], run.start())


def _cards_in(run: str, offset: int) -> Iterator[Finding]:
    """Returns the cards of one run that begin and end with a group of its digits, from left."""
    groups = [found.span() for found in GROUP.finditer(run)]
    digits = "".join(run[start:end] for start, end in groups)
    ends = dict(zip(accumulate(end - start for start, end in groups), groups, strict=True))
    first = 0
    for end, (start, stop) in ends.items():
        begin = end - (stop - start)
        size = card_length(digits, begin, ends) if begin >= first else None
        if size is not None:
            first = begin + size
            yield Finding("card", offset + start, offset + ends[first][1])


def _overlap(left: Finding, right: Finding) -> bool:
    return left.start < right.end and right.start < left.end
