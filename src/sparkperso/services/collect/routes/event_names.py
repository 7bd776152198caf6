"""The event types that the names of track calls stand for."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache

NAMES = {
    "Product Viewed": "item_view",
    "Product Clicked": "click",
    "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Order Completed": "purchase",
    "Order Refunded": "refund",
    "Products Searched": "search",
    "Product Reviewed": "rating",
    "Email Opened": "email_open",
    "Email Link Clicked": "email_click",
}
WORD = ("L", "M", "N", "So")
"""Unicode's categories of what words are made of: letters, marks, numbers, and pictures."""
MAX_NAME = 512
"""Characters of a type; longer names are cut before work, and refused by their length later."""


def event_type_of(name: str) -> str:
    """Returns the event type of a track call: a known one, else its name in snake_case.

    A name may be in any alphabet: `ВидеоПросмотрено` is `видео_просмотрено`, `商品を見た`
    stays. Names that are equal for Unicode (NFC), and names that differ in case or punctuation
    alone, are one type; a name of nothing but punctuation stays as it is. The type of a type is
    itself. Empty when nothing is left.

    >>> [event_type_of(name) for name in ("Product Added", "Größe gewählt", "videoSeen")]
    ['add_to_cart', 'größe_gewählt', 'video_seen']
    """
    kind = _snake_case(name[: 2 * MAX_NAME])
    return _types().get(kind, kind)


@cache
def _types() -> dict[str, str]:
    """Known names in snake_case → their types: clients write `Order completed` as well."""
    return {_snake_case(name): kind for name, kind in NAMES.items()}


@lru_cache(4096)
def _snake_case(name: str) -> str:
    text = unicodedata.normalize("NFC", name)
    words = "".join(c if unicodedata.category(c).startswith(WORD) else " " for c in _parted(text))
    snake = "_".join(unicodedata.normalize("NFC", words.lower()).split())
    return snake or "_".join("".join(c for c in text if c.isprintable()).split())


def _parted(text: str) -> str:
    """Returns a text with a blank where a capital follows a small letter or a digit."""
    parts = [
        f" {c}" if c.isupper() and (before.islower() or before.isnumeric()) else c
        for before, c in zip(" " + text, text, strict=False)
    ]
    return "".join(parts)
