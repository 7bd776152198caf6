"""Finds e-mail addresses and payment card numbers in text.

It runs on every event, so `may_hold` first asks one question of a whole event's bytes. The patterns
start at the beginning of a run only, and every question about a card number costs the same, so
that the time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from sparkperso.privacy.cards import MIN_DIGITS, CardNumbers, is_card
from sparkperso.privacy.decode import JOINER, decoded, folded, may_decode, may_fold


class Finding(NamedTuple):
    """Where a personal value stands in a text; `kind` is `email` or `card`."""

    kind: str
    start: int
    end: int


LOCAL = rf"[\w.!#$%'*+^`{{|}}~{JOINER}-]"
QUOTED = r'"[^"@\n[]{1,64}"'
DOMAIN = (
    # Not an address: logo@2x.png, the picture for fine screens.
    r"@(?!\dx\.(?:png|jpe?g|gif|webp|avif|svg)\b)"
    # Labels have their bound (RFC 1035): each @ costs a fixed time, wherever it stands.
    rf"(?:[\w%{JOINER}-]{{1,63}}\.){{1,16}}(?:xn--[a-z0-9-]{{1,59}}|[^\W\d_]{{2,63}})"
)
EMAIL = re.compile(rf"(?:{QUOTED}|(?<!{LOCAL}){LOCAL}+){DOMAIN}")
NEXT_EMAIL = re.compile(rf"(?:{QUOTED}|{LOCAL}+){DOMAIN}")
BLANK = rf" +{JOINER}-"
MARK = r"./_\t\r\n"
RUN = re.compile(rf"[0-9]+(?:[{MARK}{BLANK}]{{1,9}}[0-9]+)*")
GROUP = re.compile(r"[0-9]+")
HAS_MARK = re.compile(rf"[{MARK}]").search
PRINTED = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2),
                     (4, 4, 4, 4, 3), (4, 4, 4, 2), (4, 4, 4, 3), (6, 13)})  # fmt: skip
"""How cards group their digits. Dots, slashes and line breaks stand between other numbers too, such
as coordinates and dates: with them, a card's grouping is asked for."""
POWER = re.compile(r"(?<![0-9.])[0-9]\.[0-9]{13,18}[eE]\+?1[0-9](?![0-9])")
UUID = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
)
ANYTHING = re.compile(
    rf"[@%&\\\[({{<]|[^\x00-\x7f]|[0-9][0-9{MARK}{BLANK}]{{{MIN_DIGITS - 2},}}[0-9]"
)
"""An address, a long number, or what may be one in disguise."""
ESCAPE_BYTES = re.compile(rb"%[0-9A-Fa-f]{2}")
LINE_BREAKS = re.compile(rb"\\[nrt]")
KINDS = bytes.maketrans(b"123456789AT({<)}>", b"000000000at[[[]]]")
SEPARATORS = b" +-\x7f./_\t\r\n"
LONG_RUN, BRACKETED = b"0" * MIN_DIGITS, b"[at]"


def may_hold(text: bytes) -> bool:
    """Says whether UTF-8 text can hold a finding; False is certain. About 5 µs per kilobyte.

    The text may be JSON; escapes of its strings are understood.
    """
    if not text.isascii():
        characters = text.decode("utf-8", "surrogatepass")
        if may_fold(characters):
            text = folded(characters).encode("utf-8", "surrogatepass")
    if b"@" in text or may_decode(text):
        return True
    kinds = _kinds(text)
    return LONG_RUN in kinds or BRACKETED in kinds


def _kinds(text: bytes) -> bytes:
    """Returns a text with 0 for every digit, brackets of one kind, and nothing between numbers."""
    if b"%" in text:
        text = ESCAPE_BYTES.sub(b"", text)
    if b"\\" in text:
        text = LINE_BREAKS.sub(b"", text)
    return text.translate(KINDS, SEPARATORS)


def may_find(text: str) -> bool:
    """Says whether `scan` may find something in a text; False is certain, and quick."""
    return ANYTHING.search(text) is not None


def scan(text: str) -> list[Finding]:
    """Returns the e-mail addresses and card numbers of a text, in order, none within another.

    1. The text is made plain (`decode`); places are told in the text as it came.
    2. Addresses: a local part, @ and a domain (RFC 5321 and 1035, as people write them).
    3. Cards: groups of digits that together have a scheme's prefix, length and check digit.
    4. Where the two overlap, the address stays.

    >>> scan("anna@example.com")
    [Finding(kind='email', start=0, end=16)]
    """
    if not may_find(text):
        return []
    plain = decoded(text)
    emails = list(_emails(plain.text)) if "@" in plain.text else []
    # One look that costs little, before the search for groups.
    has_card = LONG_RUN in _kinds(plain.text.encode("utf-8", "surrogatepass"))
    cards = sorted(_cards(plain.text), key=lambda span: (span[0], -span[1])) if has_card else []
    return [
        Finding(kind, plain.origin(start), plain.origin(end))
        for kind, start, end in _merged(emails, [Finding("card", *span) for span in cards])
    ]


def _emails(text: str) -> Iterator[Finding]:
    match = EMAIL.search(text)
    while match:
        yield Finding("email", *match.span())
        end = match.end()
        match = NEXT_EMAIL.match(text, end) or EMAIL.search(text, end)


def _cards(text: str) -> Iterator[tuple[int, int]]:
    if text.count("-") > 3:  # One UUID in some thousands has the digits of a card.
        text = UUID.sub(lambda match: "x" * len(match[0]), text)
    for run in RUN.finditer(text):
        if run.end() - run.start() >= MIN_DIGITS:
            yield from _cards_in(run[0], run.start())
    if "." in text:
        yield from (match.span() for match in POWER.finditer(text) if _is_power(match[0]))


def _is_power(text: str) -> bool:
    """Says whether a number with an exponent is a whole one, and a card's: 4.111111111111E15."""
    mantissa, _, exponent = text.lower().partition("e")
    digits = mantissa.replace(".", "")
    size = int(exponent) + 1
    return len(digits.rstrip("0")) <= size and is_card(digits[:size].ljust(size, "0"))


def _cards_in(run: str, offset: int) -> Iterator[tuple[int, int]]:
    """Yields the cards of one run that begin and end with a group of its digits, from left.

    1. Every group may begin a card, if it lies behind the last one that was found.
    2. Its first four digits name a scheme, and so the lengths that the card may have.
    3. The card must end with a group, and have the check digit.
    4. Blanks and dashes may stand anywhere between groups, other marks where cards have them.
    """
    spans = [match.span() for match in GROUP.finditer(run)]
    sizes = [end - start for start, end in spans]
    begins = list(accumulate(sizes, initial=0))
    group_at = {begin: place for place, begin in enumerate(begins)}
    marks = _marks(run, spans)
    numbers = CardNumbers("".join([run[start:end] for start, end in spans]))
    free = 0
    for place, begin in enumerate(begins[:-1]):
        if place < free:
            continue
        # The longest first: 16 digits of a card of 19 may have a fitting check digit too.
        for size in numbers.lengths_at(begin):
            after = group_at.get(begin + size)
            if after is None or not numbers.has_check_digit(begin, begin + size):
                continue
            if marks[after - 1] == marks[place] or tuple(sizes[place:after]) in PRINTED:
                free = after
                yield offset + spans[place][0], offset + spans[after - 1][1]
                break


def _marks(run: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Returns, for each group, how many gaps before it have another mark than blanks and dashes."""
    if HAS_MARK(run) is None:
        return [0] * len(spans)
    gaps = (run[end:start] for (_, end), (start, _) in pairwise(spans))
    return list(accumulate((HAS_MARK(gap) is not None for gap in gaps), initial=0))


def _merged(emails: Sequence[Finding], cards: Sequence[Finding]) -> Iterator[Finding]:
    """Returns both in order of their start, without the cards that overlap an address or a card."""
    end, later = 0, 0
    for email in (*emails, None):
        while later < len(cards) and (email is None or cards[later].end <= email.start):
            if cards[later].start >= end:
                yield cards[later]
                end = cards[later].end
            later += 1
        if email is not None:
            yield email
            end = email.end
            while later < len(cards) and cards[later].start < end:
                later += 1
