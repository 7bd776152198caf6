"""HTML that people write for a page: what is let through, and what is told of the rest.

An allow-list: tags and attributes that can only show something. Scripts, styles, forms, frames,
event handlers and addresses other than of the web, mail and telephone are left out.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from html.parser import HTMLParser

import nh3

SHOWN = {"picture", "section", "main"}
"""Tags beside those of nh3's own list, which knows no form, frame, script or style."""
ATTRIBUTES = {
    "*": {"class", "title", "lang", "dir", "role", "aria-label", "aria-hidden"},
    "a": {"target"},
    "img": {"loading", "decoding"},
}
"""Attributes beside those of nh3's own list; no `id`, `name`, `style`, `data-…` or `on…`."""
SCHEMES = {"https", "http", "mailto", "tel"}
"""Addresses without a scheme, within the shop, are let through too."""


@cache
def _cleaner() -> nh3.Cleaner:
    tags = ATTRIBUTES.keys() | nh3.ALLOWED_ATTRIBUTES.keys()
    return nh3.Cleaner(
        tags=nh3.ALLOWED_TAGS | SHOWN,
        attributes={
            tag: nh3.ALLOWED_ATTRIBUTES.get(tag, set()) | ATTRIBUTES.get(tag, set()) for tag in tags
        },
        url_schemes=SCHEMES,
    )


def sanitise(html: str) -> str:
    """Returns HTML with all left out that is not on the list; of scripts and styles the text too.

    Doing it twice changes nothing more.

    >>> sanitise('<p onclick="x()">Hello<script>x()</script></p>')
    '<p>Hello</p>'
    """
    return str(_cleaner().clean(html))


def left_out(html: str) -> list[str]:
    """Returns what `sanitise` leaves out of a text, tags and attributes by name, each once.

    >>> left_out('<p onclick="x()">Hello<script>x()</script></p>')
    ['onclick of <p>', '<script>']
    """
    return list(_parts_of(html) - _parts_of(sanitise(html)))


class _Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts[f"<{tag}>"] += 1
        self.parts.update(f"{name} of <{tag}>" for name, _ in attrs)


def _parts_of(html: str) -> Counter[str]:
    parser = _Parts()
    parser.feed(html)
    parser.close()
    return parser.parts
