"""What is said of alerts: a signed body, a chat's JSON, a mail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any

from sparkperso.core.times import iso
from sparkperso.services.alerts.due import Notice
from sparkperso.services.triggers.message import body_of

LONGEST = 500
"""Characters of one alert in a chat message or mail."""
MOST = 40
"""Alerts that one chat message or mail tells of; the others are counted."""
FIELDS = ("alert_id", "check", "subject", "severity", "status", "value", "threshold", "message")
TIMES = ("first_seen", "last_seen", "resolved_at")
WORDS = {"opened": "", "raised": "now critical, ", "repeated": "still, ", "resolved": "resolved, "}


def webhook_body(notice: Notice, now: datetime) -> bytes:
    """Returns the body of one alert, as Standard Webhooks lays it out: alert.opened and so on."""
    alert = notice.alert
    data: dict[str, Any] = {name: alert[name] for name in FIELDS}
    data |= {"to_do": alert["to_do"]}
    data |= {name: alert[name] and iso(alert[name]) for name in TIMES}
    return body_of(f"alert.{notice.kind}", now, data).encode()


def chat_body(notices: Sequence[Notice]) -> bytes:
    """Returns one message of all notices, in the JSON that Slack's incoming webhooks take."""
    lines = [f"*{_escaped(heading(notices))}*"]
    for notice in notices[:MOST]:
        lines.append(f"• {_escaped(_line(notice))}")
        if notice.kind != "resolved" and notice.alert["to_do"]:
            lines.append(f"   _{_escaped(notice.alert['to_do'])}_")
    return json.dumps({"text": "\n".join([*lines, *_rest(notices)])}).encode()


def mail_of(notices: Sequence[Notice], sender: str, to: str, now: datetime) -> EmailMessage:
    """Returns one mail of all notices."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = sender, to
    message["Subject"] = heading(notices)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    parts = []
    for notice in notices[:MOST]:
        alert = notice.alert
        parts.append(_line(notice))
        if notice.kind != "resolved" and alert["to_do"]:
            parts.append(f"  To do: {alert['to_do']}")
        parts.append(f"  Since {iso(alert['first_seen'])}, alert {alert['alert_id']}\n")
    message.set_content("\n".join([*parts, *_rest(notices)]), cte="quoted-printable")
    return message


def heading(notices: Sequence[Notice]) -> str:
    """Returns one line: how many alerts there are, and how bad the worst is."""
    still = [one for one in notices if one.kind != "resolved"]
    parts = []
    for severity in ("critical", "warning"):
        n = sum(one.alert["severity"] == severity for one in still)
        if n:
            parts.append(f"{n} {severity}")
    if len(still) < len(notices):
        parts.append(f"{len(notices) - len(still)} resolved")
    return f"sparkperso: {', '.join(parts)}"


def _line(notice: Notice) -> str:
    """Returns one line: what a subject is called begins no line of its own, nor ends the mail."""
    alert = notice.alert
    words = "".join(char if char.isprintable() else " " for char in alert["message"])
    return f"{WORDS[notice.kind]}{alert['severity']} ({alert['check']}): {words[:LONGEST]}"


def _rest(notices: Sequence[Notice]) -> list[str]:
    left = len(notices) - MOST
    return [f"And {left} more: sparkperso alerts list"] if left > 0 else []


def _escaped(text: str) -> str:
    """A chat's text: no links and mentions of what a subject may be called."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
