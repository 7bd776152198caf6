"""Puts `[email]` and `[card]` where a text or a tree of values holds one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sparkperso.privacy.cards import is_card
from sparkperso.privacy.kinds import KIND_OF_NAME, USER
from sparkperso.privacy.names import compact, is_identifier
from sparkperso.privacy.pseudonyms import SHAPE
from sparkperso.privacy.scan import may_find, scan

Hide = Callable[[str, str], str]
SHORTEST = 6
"""Characters of the shortest address, `a@b.de`."""
WHOLE = re.compile(r"[0-9]+")
PERSON_NAMES = frozenset(compact(name) for name, kind in KIND_OF_NAME.items() if kind == USER)
EXACT = 2**63
"""Numbers from here on were rounded when they became JSON's."""


def mask(text: str) -> tuple[str, int]:
    """Returns a text with its findings masked, and their number; masking again changes nothing.

    >>> mask("Write to anna@example.com, not to 4111 1111 1111 1111")
    ('Write to [email], not to [card]', 2)
    """
    findings = scan(text)
    if not findings:
        return text, 0
    parts: list[str] = []
    end = 0
    for finding in findings:
        parts += text[end : finding.start], f"[{finding.kind}]"
        end = finding.end
    return "".join((*parts, text[end:])), len(findings)


def mask_tree(value: Any, hide: Hide | None = None) -> tuple[Any, int]:
    """Returns JSON's values with all texts masked (keys and whole numbers too), and how often.

    Keys that look alike once they are masked are numbered: `[email]`, `[email] 2`. A number that is
    the whole value of an identifier (`product_id`, `order_id`) is no card, and `hide(name, text)`
    stands for an identifier with a finding: a mask would make many of them one. Pseudonyms stay.
    """
    tree = _Tree(hide)
    return tree.masked(value, ""), tree.count


def mask_identifier(name: str, value: Any, hide: Hide) -> tuple[Any, int]:
    """Returns an identifier as it is, or what `hide` gives for one that has a finding.

    The second value is how many were hidden, 0 or more.
    """
    tree = _Tree(hide)
    return tree.masked(value, name), tree.count


class _Tree:
    """Masks one tree, and counts."""

    def __init__(self, hide: Hide | None) -> None:
        self._hide, self.count = hide, 0

    def masked(self, value: Any, name: str) -> Any:
        """Returns a value of the field `name` masked."""
        if isinstance(value, str):
            return self._text(value, name)
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self.masked(one, name) for one in value]
        return self._number(value, name)

    def _text(self, text: str, name: str) -> str:
        if len(text) < SHORTEST or not may_find(text) or SHAPE.fullmatch(text):
            return text
        is_id = bool(name) and is_identifier(name)
        if is_id and WHOLE.fullmatch(text) and compact(name) not in PERSON_NAMES:
            return text
        masked, count = mask(text)
        self.count += count
        return self._hide(name, text) if count and is_id and self._hide else masked

    def _object(self, node: dict[str, Any]) -> dict[str, Any]:
        if not any(map(may_find, node)):
            return {key: self.masked(inner, key) for key, inner in node.items()}
        texts = {key: mask(key) for key in node}
        taken = {key for key, (_, count) in texts.items() if not count}
        numbers: dict[str, int] = {}
        masked = {}
        for key, inner in node.items():
            own, count = texts[key]
            self.count += count
            masked[_free(own, taken, numbers) if count else key] = self.masked(inner, key)
        return masked

    def _number(self, value: Any, name: str) -> Any:
        """Returns a card number that came as a number masked, whole or as 4111111111111111.0."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # 14 to 19 digits; up to EXACT they are those that were sent, beyond it about those.
        if not is_number or not 10**13 <= abs(value) < EXACT * 4 or value != int(value):
            return value
        digits = str(abs(int(value)))
        if not is_card(digits):
            return value
        is_id = bool(name) and is_identifier(name)
        if is_id and compact(name) not in PERSON_NAMES:
            return value
        self.count += 1
        return self._hide(name, digits) if is_id and self._hide else "[card]"


def _free(key: str, taken: set[str], numbers: dict[str, int]) -> str:
    """Returns a key that is not taken, and takes it; the second of its kind is `[email] 2`."""
    number = numbers.get(key, 0) + 1
    free = key if number == 1 else f"{key} {number}"
    while free in taken:
        number += 1
        free = f"{key} {number}"
    numbers[key] = number
    taken.add(free)
    return free
