"""Where mails go: into a folder, to a server, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from typing import Protocol

from sparkperso.core.errors import JobError
from sparkperso.mail.message import Mail
from sparkperso.services.mailing.addressees import Addressee
from sparkperso.services.mailing.folder import MailFolder
from sparkperso.services.mailing.ledger import Ledger, State
from sparkperso.services.mailing.smtp import SmtpSink

RENDERED, SENT = "rendered", "sent"
BEFORE: Mapping[State, str] = {
    "sent": "sent before",
    "refused": "refused before",
    "sending": "unknown: handed over by a run that died, or by one that runs",
}
"""State of a mail in the ledger → why it is not sent."""


class Delivery(Protocol):
    """Where mails go."""

    def claim(self, addressee: Addressee) -> str | None:
        """Takes a mail on; returns why it is not to be made, if so."""

    def deliver(self, addressee: Addressee, mail: Mail, message: EmailMessage) -> str:
        """Returns what became of a mail that was taken on."""

    def release(self, addressee: Addressee) -> None:
        """Says that a mail that was taken on is not made after all."""


class NoDelivery:
    """Mails are made, and go nowhere."""

    def claim(self, addressee: Addressee) -> str | None:
        """Takes every mail on."""
        return None

    def deliver(self, addressee: Addressee, mail: Mail, message: EmailMessage) -> str:
        """Writes it out, as a server would get it."""
        message.as_bytes()
        return RENDERED

    def release(self, addressee: Addressee) -> None:
        """Does nothing."""


class FolderDelivery(NoDelivery):
    """Mails are files, a person's the same one each time."""

    def __init__(self, folder: MailFolder) -> None:
        self._folder = folder

    def deliver(self, addressee: Addressee, mail: Mail, message: EmailMessage) -> str:
        """Writes its file."""
        self._folder.write(addressee.user_id, mail, message)
        return RENDERED


class SmtpDelivery:
    """Mails are sent, none of them twice."""

    def __init__(self, sink: SmtpSink, ledger: Ledger, campaign: str) -> None:
        self._sink, self._ledger, self._campaign = sink, ledger, campaign

    def claim(self, addressee: Addressee) -> str | None:
        """Notes that it is being sent, unless it was before."""
        state = self._ledger.claim(self._campaign, addressee.user_id, addressee.data)
        return BEFORE[state] if state else None

    def deliver(self, addressee: Addressee, mail: Mail, message: EmailMessage) -> str:
        """Sends it, and notes what the server said."""
        try:
            outcome = self._sink.send(message)
        except JobError:  # no connection: nothing was sent
            self.release(addressee)
            raise
        if outcome.state == "later":
            self.release(addressee)
            return f"failed: not taken for now ({outcome.code or 'the connection breaks'})"
        if outcome.state == "unknown":
            # The note that it was being sent stays: it may have been taken.
            return "unknown: the connection broke before the answer"
        key = (self._campaign, addressee.user_id, addressee.data)
        self._ledger.settle(*key, outcome.state, outcome.code)
        return SENT if outcome.state == "sent" else f"refused ({outcome.code})"

    def release(self, addressee: Addressee) -> None:
        """Forgets that it was to be sent."""
        self._ledger.release(self._campaign, addressee.user_id, addressee.data)
