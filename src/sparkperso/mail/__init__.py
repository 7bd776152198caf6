"""Mails of conf/mails: rendered for one person, with signed links and a way out.

`make_mailer` reads and checks them; nothing here opens a store or a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkperso.core.package import exporter

if TYPE_CHECKING:
    from sparkperso.mail.check import make_mailer as make_mailer
    from sparkperso.mail.message import Mail as Mail
    from sparkperso.mail.message import MailError as MailError
    from sparkperso.mail.render import Mailer as Mailer
    from sparkperso.mail.render import render_for as render_for
    from sparkperso.mail.variables import Recipient as Recipient

_EXPORTS = {
    "Mail": "message",
    "MailError": "message",
    "Mailer": "render",
    "Recipient": "variables",
    "make_mailer": "check",
    "render_for": "render",
}
__all__ = list(_EXPORTS)
__getattr__ = exporter(__name__, _EXPORTS)
