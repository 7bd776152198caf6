"""The plain text of an HTML mail: what is read, in its order, with the addresses of its links."""

from __future__ import annotations

import re
from html import unescape

TOKEN = re.compile(
    r"<!--.*?-->|<![^>]*>|<(?:script|style|title)\b.*?</(?:script|style|title)\s*>"
    r'|<(/?)([a-zA-Z][^\s/>]*)((?:[^>"]|"[^"]*")*)>|([^<]+|<)',
    re.DOTALL | re.IGNORECASE,
)
"""A comment; a declaration; what is no text; a tag (slash, name, attributes); or text."""
SPACED = frozenset({"blockquote", "h1", "h2", "h3", "h4", "ol", "p", "section", "table", "ul"})
"""Blocks that an empty line stands before and after."""
BLOCKS = SPACED | {
    *("address", "article", "aside", "center", "dd", "div", "dl", "dt", "fieldset", "figcaption"),
    *("figure", "footer", "h5", "h6", "header", "hr", "li", "main", "nav", "pre", "tr"),
}
SILENT = frozenset({"head", "template"})
VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
        *("track", "wbr"),
    }
)
HIDDEN = re.compile(r'style="[^"]*(?:display\s*:\s*none|mso-hide\s*:\s*all)|aria-hidden="true"')
INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200f\u2060\ufeff]")
"""Characters that fill a preheader, or break words, and are not seen."""
BLANKS = re.compile(r"[ \t\xa0]+")


def plain_text(html: str) -> str:
    r"""Returns the text of HTML as a serialiser leaves it: a block per line, and links by `<…>`.

    What is not seen (a preheader, a pixel) is left out, and so is what is not read aloud
    (`aria-hidden`); a picture is its `alt`, and a link without words is none.

    >>> plain_text('<h1>Hello</h1><p>See <a href="https://a.example/">it</a></p>')
    'Hello\n\nSee it <https://a.example/>\n'
    """
    reader = _Reader()
    for closing, tag, attributes, text in TOKEN.findall(html):
        if text:
            reader.text(text)
        elif tag:
            (reader.end if closing else reader.start)(tag.lower(), attributes)
    lines = [BLANKS.sub(" ", line).strip() for line in "".join(reader.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


class _Reader:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self._hidden: list[str] = []
        """Open tags from the first that is not seen on."""
        self._links: list[tuple[str, int]] = []
        """Address of each link that is open, and how many parts stood before it."""

    def start(self, tag: str, attributes: str) -> None:
        """Begins a line, a link, or what is not seen."""
        if tag in VOID:
            self._void(tag, attributes)
        elif self._hidden or tag in SILENT or HIDDEN.search(attributes):
            self._hidden.append(tag)
        elif tag == "a":
            self._links.append((_value(attributes, "href"), len(self.parts)))
        else:
            self._break(tag)
            if tag == "li":
                self.parts.append("- ")

    def end(self, tag: str, _: str) -> None:
        """Ends it."""
        if self._hidden:
            if tag in self._hidden:
                del self._hidden[len(self._hidden) - 1 - self._hidden[::-1].index(tag) :]
        elif tag == "a" and self._links:
            self._end_link(*self._links.pop())
        elif tag in ("td", "th"):
            self.parts.append(" ")
        else:
            self._break(tag)

    def text(self, text: str) -> None:
        """Keeps what is seen; line ends of the source are blanks."""
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", INVISIBLE.sub("", unescape(text))))

    def _void(self, tag: str, attributes: str) -> None:
        if self._hidden:
            return
        if tag == "br":
            self.parts.append("\n")
        elif tag == "img":
            self.parts.append(" ".join(_value(attributes, "alt").split()))
        else:
            self._break(tag)

    def _break(self, tag: str) -> None:
        if tag in SPACED:
            self.parts.append("\n\n")
        elif tag in BLOCKS:
            last = next((part for part in reversed(self.parts) if part.strip(" ")), "\n")
            self.parts.append("" if last.endswith("\n") else "\n")

    def _end_link(self, address: str, start: int) -> None:
        words = " ".join("".join(self.parts[start:]).split())
        if not words or not address or address.startswith("#"):
            return
        shown = address.removeprefix("mailto:").removeprefix("tel:")
        if words != shown:
            self.parts.append(f" <{shown}>")


def _value(attributes: str, name: str) -> str:
    found = re.search(rf'(?:^|\s){name}="([^"]*)"', attributes)
    return unescape(found[1]) if found else ""
