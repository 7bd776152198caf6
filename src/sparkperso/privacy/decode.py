"""Texts as a person would read them: escapes decoded, look-alike characters made plain.

An address is often written as `anna%40example.com`, `anna&#64;example.com`, with `u0040` and a
backslash, as `anna [at] example.com` or with a full-width sign; a card number in full-width or
Arabic digits.
`decoded` gives the plain text, and where each of its characters stands in the text as it came.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import NamedTuple

MAX_ROUNDS = 3
"""Escapes within escapes: `%26%2364%3B` is `&#64;` is `@`."""
NAMED = {
    "commat": "@", "period": ".", "nbsp": " ", "ensp": " ", "emsp": " ", "thinsp": " ",
    "numsp": " ", "hairsp": " ", "puncsp": " ", "hyphen": "-", "dash": "-", "ndash": "-",
    "mdash": "-", "minus": "-", "shy": "-", "sol": "/", "bsol": "\\", "amp": "&", "quot": '"',
    "apos": "'", "lt": "<", "gt": ">", "plus": "+", "lowbar": "_", "num": "#", "percnt": "%",
    "lpar": "(", "rpar": ")", "lsqb": "[", "rsqb": "]", "lbrack": "[", "rbrack": "]",
    "lcub": "{", "rcub": "}", "semi": ";",
}  # fmt: skip
"""Characters of addresses and card numbers that HTML has a name for."""
_NEXT = r"%(?:25)*[89ab][0-9a-f]"
_PERCENT = (
    rf"%(?:25)*(?:[cd][0-9a-f]{_NEXT}|e[0-9a-f](?:{_NEXT}){{2}}"
    rf"|f[0-7](?:{_NEXT}){{3}}|[0-9a-f]{{2}})"
)
TOKEN = re.compile(
    rf"(?P<percent>{_PERCENT})"
    r"|(?:%|\\)u(?P<unit>[0-9a-f]{4})|\\x(?P<byte>[0-9a-f]{2})"
    r"|&(?:amp;)*(?:\#(?P<decimal>[0-9]{1,9});?|\#x(?P<hexadecimal>[0-9a-f]{1,8});?"
    rf"|(?P<named>{'|'.join(NAMED)});)"
    # Round, square or curly brackets, with a blank or two at most, as people write addresses.
    r"| {0,2}[\[({<] {0,2}(?P<word>at|dot) {0,2}[\])}>] {0,2}",
    re.IGNORECASE,
)
SIGN = re.compile(r"[%&\\\[({<]")
"""Every token has one of them."""
ODD_PERCENT = re.compile(
    rb"%(?:25)*(?:[uU]|40|2[368]|3[0-9]|5[bBcC]|6[1-9a-fA-F]|7[0-9aAbB]|[dD][89aAbB]|[eEfF][0-9a-fA-F])"
)
"""Escapes that can hide an address or a digit. Spaces, slashes and letters of Latin alphabets,
which every URL may have, are not among them."""
ODD_ENTITY = re.compile(rb"&(?:[aA][mM][pP];)*(?:#|[a-zA-Z]{2,8};)")
ODD_BACKSLASH = re.compile(rb"\\[uUxX][0-9a-fA-F]{2}")
JOINER = "\x7f"
"""Stands for characters without width. Nobody types it, so that it can be part of an address."""
WORDS = {"at": "@", "dot": "."}
LIKE_DOT = "\u00b7\u2022\u2024\u2027\u3002\ufe52\uff61"
LIKE_SLASH = "\u2044\u2215"
ALIKE = {
    "\ufe6b": "@",
    "\u2212": "-",
    **dict.fromkeys(LIKE_DOT, "."),
    **dict.fromkeys(LIKE_SLASH, "/"),
}
UPPER, PLANES = 0x10000, 0x20000
"""Digits and signs that look like those of ASCII stand in the first two planes of Unicode."""
BEYOND = b"\xf0"
"""The first byte in UTF-8 of all characters of the upper plane."""


class Plain(NamedTuple):
    """A text made plain, and how far its characters stand from where they came from."""

    text: str
    rounds: tuple[tuple[Sequence[int], Sequence[int]], ...] = ()

    def origin(self, place: int) -> int:
        """Returns where a place of the plain text, or its end, is in the text as it came.

        Each round of decoding made tokens of several characters one: their lengths are added back,
        the last round first.
        """
        for places, shifts in reversed(self.rounds):
            place += shifts[bisect_left(places, place)]
        return place


def may_decode(text: bytes) -> bool:
    """Says whether UTF-8 text can have an escape that hides an address or a digit.

    False is certain, for JSON too; words such as `[at]` are left to the caller.
    """
    return (
        (b"%" in text and ODD_PERCENT.search(text) is not None)
        or (b"&" in text and ODD_ENTITY.search(text) is not None)
        or (b"\\" in text and ODD_BACKSLASH.search(text) is not None)
    )


def decoded(text: str) -> Plain:
    """Returns a text made plain, and where its characters came from. Linear in the text.

    1. Characters that look like digits, spaces, dashes or signs of ASCII become those (`folded`).
    2. Escapes of URLs, HTML and JSON, and words such as `[at]`, become the one character they mean.
    3. Both again, MAX_ROUNDS times at most, since escapes hide in escapes.

    >>> decoded("anna%40example.com").text
    'anna@example.com'
    """
    text = folded(text)
    if SIGN.search(text) is None:
        return Plain(text)
    rounds = []
    for _ in range(MAX_ROUNDS):
        tokens = list(TOKEN.finditer(text))
        if not tokens:
            break
        spans = [token.span() for token in tokens]
        lengths = accumulate((end - start - 1 for start, end in spans), initial=0)
        shifts = list(lengths)
        rounds.append(
            ([start - shift for (start, _), shift in zip(spans, shifts, strict=False)], shifts)
        )
        ends = [0, *(end for _, end in spans)]
        pieces = [text[end:start] for end, (start, _) in zip(ends, spans, strict=False)]
        plain = [
            part for pair in zip(pieces, map(_character, tokens), strict=True) for part in pair
        ]
        text = folded("".join((*plain, text[ends[-1] :])))
    return Plain(text, tuple(rounds))


def folded(text: str) -> str:
    """Returns a text of the same length: digits, spaces, dashes, full-width signs in ASCII.

    >>> folded("４１１１ １１１１"), folded("a＠b")
    ('4111 1111', 'a@b')
    """
    if text.isascii():
        return text
    return text.translate(_folds().table) if may_fold(text) else text


def may_fold(text: str) -> bool:
    """Says whether `folded` would change a text."""
    folds = _folds()
    if folds.lower.search(text):
        return True
    is_beyond = BEYOND in text.encode("utf-8", "surrogatepass")
    return is_beyond and folds.upper.search(text) is not None


def _character(token: re.Match[str]) -> str:
    kind, value = token.lastgroup, token[token.lastgroup or 0]
    if kind == "percent":
        pairs = bytes.fromhex(re.sub(r"%(?:25)*(?=[0-9a-fA-F]{2})", "", value))
        try:
            return pairs.decode()
        except UnicodeDecodeError:
            return chr(pairs[0]) if len(pairs) == 1 else " "
    if kind == "word":
        return WORDS[value.lower()]
    if kind == "named":
        return NAMED[value.lower()]
    # One character for each token, whatever it says: places are counted on that.
    code = int(value, 10 if kind == "decimal" else 16)
    return chr(code) if code <= sys.maxunicode else " "


class _Folds(NamedTuple):
    """Patterns of the characters that fold, by plane of Unicode, and a table for `str.translate`.

    In one pattern those of the upper plane would make every other character ten times as slow.
    """

    lower: re.Pattern[str]
    upper: re.Pattern[str]
    table: str


@cache
def _folds() -> _Folds:
    table = [chr(code) if code < 0x80 else _fold(chr(code)) for code in range(PLANES)]
    changed = [code for code, to in enumerate(table) if to != chr(code)]
    lower = [code for code in changed if code < UPPER]
    return _Folds(_any_of(lower), _any_of(changed[len(lower) :]), "".join(table))


def _any_of(codes: Sequence[int]) -> re.Pattern[str]:
    """Returns a pattern of characters, by the ranges that they form."""
    starts = [code for before, code in pairwise([-1, *codes]) if code != before + 1]
    ends = [code for code, after in pairwise([*codes, -1]) if after != code + 1]
    ranges = (f"{chr(first)}-{chr(last)}" for first, last in zip(starts, ends, strict=True))
    return re.compile(f"[{''.join(ranges)}]")


def _fold(character: str) -> str:
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    kind = unicodedata.category(character)
    by_kind = {"Zs": " ", "Pd": "-", "Cf": JOINER}
    return ALIKE.get(character) or by_kind.get(kind, character)
