"""Links within a mail's HTML: whole, signed and counted where they may be, never to a script."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from sparkperso.core.errors import UsageError
from sparkperso.email.tokens import Links

TAG = re.compile(r'<!--.*?-->|<(a|area|img)\b((?:[^>"]|"[^"]*")*)>', re.DOTALL | re.IGNORECASE)
"""A comment, which holds what is for Outlook alone, or a tag that has an address."""
ATTRIBUTE = re.compile(r'(\s)(href|src)="([^"]*)"', re.IGNORECASE)
ADDRESS = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]']", re.IGNORECASE)
"""An address in plain text, without the punctuation after it."""
KEPT = re.compile(r"(?:mailto|tel):|#|$", re.IGNORECASE)
WEB = re.compile(r"https?://", re.IGNORECASE)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
PIXEL = '<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px">'
SAFE = "!$%&'()*+,/:;=?@[]~#"
"""What stands in an address as it is; the rest is percent-encoded."""


@dataclass
class LinkWriter:
    """Writes the links of one mail anew.

    Without `links` nothing is counted: links lead where they say, and there is no pixel.
    """

    user_id: str
    campaign: str
    sent_at: float
    """Seconds since 1970."""
    shop_url: str | None = None
    """Where an address without a host leads."""
    links: Links | None = None
    untouched: frozenset[str] = frozenset()
    """Addresses that stay as they are: to unsubscribe is not counted as a click."""
    notes: dict[str, None] = field(default_factory=dict)
    """What could not be counted, or leads nowhere, each once."""
    _made: dict[str, str | None] = field(default_factory=dict)

    def write(self, html: str) -> str:
        """Returns the document with its links, and a pixel at its end.

        `html` is as a serialiser leaves it: values of attributes stand in double quotation marks.
        """
        html = TAG.sub(self._tag, html)
        if self.links is None:
            return html
        pixel = PIXEL.format(escape(self.links.open_url(self.user_id, self.campaign, **self._when)))
        head, body_end, rest = html.rpartition("</body>")
        return f"{head}{pixel}{body_end}{rest}" if body_end else f"{html}{pixel}"

    def write_text(self, text: str) -> str:
        """Returns plain text with its links."""
        return ADDRESS.sub(lambda match: self._link(match[0]) or match[0], text)

    @property
    def _when(self) -> dict[str, float | None]:
        return {"sent_at": self.sent_at}

    def _tag(self, match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        is_picture = match[1].lower() == "img"
        address = self._picture if is_picture else self._link

        def attribute(found: re.Match[str]) -> str:
            if (found[2].lower() == "src") is not is_picture:
                return found[0]
            written = address(unescape(found[3]).strip())
            return "" if written is None else f'{found[1]}{found[2]}="{escape(written)}"'

        return f"<{match[1]}{ATTRIBUTE.sub(attribute, match[2])}>"

    def _picture(self, address: str) -> str | None:
        if address.startswith(("cid:", "data:image/")):
            return address
        return self._whole(address)

    def _link(self, address: str) -> str | None:
        if address not in self._made:
            self._made[address] = self._written(address)
        return self._made[address]

    def _written(self, address: str) -> str | None:
        if address in self.untouched or KEPT.match(address):
            return address
        whole = self._whole(address)
        if whole is None or self.links is None:
            return whole
        try:
            return self.links.click_url(self.user_id, self.campaign, whole, **self._when)
        except UsageError as error:
            # By the host, where it is one: of a list every item would say the same.
            self._note(f"not all clicks are counted: {error.expected}")
            return whole

    def _whole(self, address: str) -> str | None:
        """An address of the web in ASCII, None where it is none."""
        if not WEB.match(address):
            if SCHEME.match(address):
                self._note(f"the address '{_short(address)}' was left out: it is not of the web")
                return None
            if self.shop_url is None and not address.startswith("//"):
                self._note(f"the address '{_short(address)}' leads nowhere without mail.shop_url")
                return None
        return in_ascii(urljoin(self.shop_url or "https:", address))

    def _note(self, text: str) -> None:
        self.notes[text] = None


def in_ascii(url: str) -> str | None:
    """Returns an address as browsers send it, in ASCII; None for what is none.

    >>> in_ascii("https://bücher.example/für dich?q=ä")
    'https://xn--bcher-kva.example/f%C3%BCr%20dich?q=%C3%A4'
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
        whole = urlunsplit(parts._replace(netloc=host))
    except (ValueError, UnicodeError):
        return None
    return quote(whole, safe=SAFE, errors="replace") if parts.netloc else None


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
