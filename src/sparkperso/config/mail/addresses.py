"""One mailbox: what may stand as an address in the head of a mail, and nothing that breaks out."""

from __future__ import annotations

import re
from email.headerregistry import Address

LONGEST = 254
"""Characters of an address (RFC 5321, 4.5.3.1.3, less its brackets)."""
LONGEST_NAME = 200
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LOCAL = re.compile(rf"(?=.{{1,64}}@){ATOM}(\.{ATOM})*@")
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = re.compile(rf"(?:{LABEL}\.)+{LABEL}")
MAILBOX = re.compile(
    r'(?:"(?P<quoted>[^"\\<>]*)"|(?P<name>[^"\\<>,;:@]*?))\s*<(?P<address>[^<>]*)>'
)


def mailbox(text: str) -> Address:
    """Returns the address in `anna@shop.example` or `Anna <anna@shop.example>`.

    A domain of other letters than ASCII's is told by its ASCII form (IDNA). Raises ValueError for
    more than one address, for line breaks and other controls, and for a part before the @ that
    needs SMTPUTF8 or quotation marks, which hardly any mailbox has.

    >>> str(mailbox("Müller & Co <info@bücher.example>"))
    'Müller & Co <info@xn--bcher-kva.example>'
    """
    text = text.strip(" ")
    match = MAILBOX.fullmatch(text)
    name = (match["quoted"] or match["name"] or "").strip() if match else ""
    address = (match["address"] if match else text).strip(" ")
    if not text.isprintable() or len(name) > LONGEST_NAME:
        raise ValueError("should be one line of printable text")
    local = LOCAL.match(address)
    if local is None:
        raise ValueError("should be an address such as anna@shop.example, in ASCII before its @")
    domain = _ascii(address[local.end() :])
    if not DOMAIN.fullmatch(domain) or len(local[0]) + len(domain) > LONGEST:
        raise ValueError("should have a domain such as shop.example after its @")
    return Address(name, local[0][:-1], domain)


def _ascii(domain: str) -> str:
    try:
        return domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
