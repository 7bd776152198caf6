"""A mail as it is sent: its head, its HTML and its plain text (RFC 5322, 2045 and 2047)."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from typing import Literal

from sparkperso.config.mail.addresses import mailbox

UNSUBSCRIBE, ONE_CLICK = "List-Unsubscribe", "List-Unsubscribe-Post"
MAILBOXES = ("From", "Reply-To")
BOUNDARY = "=_between_text_and_html"
"""Quoted-printable text never has an equals sign before an underscore (RFC 2045, 6.7)."""
LONGEST_SUBJECT = 250


Reason = Literal["no_consent", "too_few_items", "data", "user_id", "template"]
"""no_consent: it is marketing, and its person did not agree to that. too_few_items: a list has
fewer than it should. data: what the mail needs was not given. user_id: links may not name the id.
template: it cannot be made."""


class MailError(Exception):
    """A mail that is not made; the text says why, without naming its person."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason


class _UrlHeader(UnstructuredHeader):
    """A header whose address stays in one piece: folded, it would be encoded, and read by none."""

    def fold(self, *, policy: Policy) -> str:
        """Returns the header as one line."""
        return f"{UNSUBSCRIBE}: {self}{policy.linesep}"


def _registry() -> HeaderRegistry:
    registry = HeaderRegistry()
    registry.map_to_type(UNSUBSCRIBE, _UrlHeader)  # type: ignore[arg-type]
    return registry


POLICY = SMTP.clone(header_factory=_registry(), max_line_length=76)
"""Refuses line ends within a header; what is not ASCII becomes encoded words (RFC 2047)."""


@dataclass(frozen=True)
class Mail:
    """A mail for one person, with no address in it."""

    subject: str
    html: str
    text: str
    headers: Mapping[str, str]
    """The head but for To, Date and those of MIME: unencoded, in one line each."""
    warnings: tuple[str, ...] = ()
    """What is not as it should be, and does not keep it from being sent."""

    def message(self, to: Address, sent_at: datetime) -> EmailMessage:
        """Returns the mail to an address: plain text, and HTML beside it (RFC 2046, 5.1.4)."""
        message = EmailMessage(policy=POLICY)
        for name, value in self.headers.items():
            message[name] = mailbox(value) if name in MAILBOXES else value
        message["To"] = to
        message["Date"] = sent_at
        message["MIME-Version"] = "1.0"
        message["Content-Type"] = f'multipart/alternative; boundary="{BOUNDARY}"'
        message.attach(_part(self.text, "plain"))
        message.attach(_part(self.html, "html"))
        return message


def _part(text: str, subtype: str) -> EmailMessage:
    part = EmailMessage(policy=POLICY)
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    # By binascii, in a tenth of the time that set_content takes for it.
    encoded = binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True)
    part.set_payload(encoded.decode("ascii"))
    return part


def one_line(text: str, longest: int) -> str:
    r"""Returns a text as a header takes it: blanks in place of line ends and controls.

    >>> one_line("Sale\r\nBcc: x@y.example", 100)
    'Sale Bcc: x@y.example'
    """
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return words if len(words) <= longest else f"{words[: longest - 1].rstrip()}…"


def message_id(sender: str, *parts: str) -> str:
    """Returns the Message-ID of a mail: the same for the same parts, so that a copy is known."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"<{digest}@{mailbox(sender).domain}>"
