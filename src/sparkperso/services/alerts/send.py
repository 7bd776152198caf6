"""Sends what is due: reads ops/alerts, tells each channel, notes it in ops/alert_deliveries.

A message is noted after it was taken: one that dies in between is sent again, under the same id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sparkperso.config import Settings
from sparkperso.core.errors import JobError
from sparkperso.core.hashing import short_hash
from sparkperso.core.times import now
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.platform.table_feed import add_rows
from sparkperso.services.alerts.channels import ReadyChannel
from sparkperso.services.alerts.due import DELIVERED, Notice, Row, Terms, due_notices
from sparkperso.services.alerts.messages import chat_body, mail_of, webhook_body
from sparkperso.services.http.outbound import Outbound, OutboundError, open_outbound
from sparkperso.services.mailing.smtp import SmtpSink
from sparkperso.services.triggers.attempt import MOST_BYTES, Verdict, judged
from sparkperso.services.triggers.signature import signed_headers

ALERTS, DELIVERIES = "ops/alerts", "ops/alert_deliveries"
MOST = 100_000
"""Rows that are read."""
Due = Callable[[ReadyChannel, str], list[Notice]]
"""A channel, and the name that it is remembered by → what it is to be told."""
AGAIN = ("failed",)
"""Outcomes that another attempt may change."""


@dataclass(frozen=True)
class Sent:
    """What became of the notices of a channel."""

    channel: str
    notices: Sequence[Notice]
    verdict: Verdict


def send_due(settings: Settings, channels: Sequence[ReadyChannel]) -> list[Sent]:
    """Tells every channel what is due, and notes it; returns what became of each message."""
    lake, at = LakeReader(settings.lake), now()
    alerts = read_alerts(lake)
    deliveries = read_table(lake, DELIVERIES, "sent_at DESC")
    repeat = timedelta(hours=settings.monitoring.alerts.repeat_hours)

    def due(channel: ReadyChannel, name: str) -> list[Notice]:
        terms = Terms(name, channel.config.severity, repeat)
        return due_notices(alerts, deliveries, terms, at)

    sent: list[Sent] = []
    for channel in channels:
        if channel.config.kind == "email":
            found = _mail(settings, channel, due, at)
        else:
            notices = due(channel, channel.config.name)
            found = asyncio.run(_call(settings, channel, notices, at)) if notices else []
        # After each channel: what one has taken is noted though the next one hangs.
        rows = [row for one in found for row in _rows(one)]
        if rows:
            add_rows(lake, DELIVERIES, rows)
        sent += found
    return sent


def send_test(settings: Settings, channel: ReadyChannel) -> list[Sent]:
    """Sends one made-up alert to a channel, and notes nothing."""
    at = now()
    alert = {
        **{"alert_id": short_hash("test"), "check": "test", "subject": "test", "value": 1.0},
        **{"severity": "warning", "status": "open", "threshold": 1.0, "to_do": "Nothing."},
        **{"message": "This tries the channel", "first_seen": at, "last_seen": at},
        "resolved_at": None,
    }
    digest = short_hash(f"{channel.config.name}{at}", 32)
    notice = Notice(alert, "opened", channel.config.name, f"msg_{digest}")
    if channel.config.kind == "email":
        return _mail(settings, channel, lambda _, __: [notice], at)
    return asyncio.run(_call(settings, channel, [notice], at))


def read_alerts(lake: LakeReader) -> list[dict[str, Any]]:
    """Returns the alerts that are open, or not told as resolved long since, the latest first."""
    return read_table(lake, ALERTS, "last_seen DESC, alert_id")


def read_table(lake: LakeReader, table: str, order: str) -> list[dict[str, Any]]:
    """Returns a table's latest rows; none before its first write."""
    if lake.open(table) is None:
        return []
    return lake.select(table, None, MOST, order)


def require_delivered(sent: Sequence[Sent]) -> None:
    """Raises JobError where a message was not taken."""
    failed = [one for one in sent if one.verdict.outcome != "delivered"]
    if failed:
        raise JobError(
            "Every channel should take its messages",
            "; ".join(f"{one.channel}: {one.verdict.words}" for one in failed),
            "They are due again at the next 'sparkperso alerts send'",
        )


async def _call(
    settings: Settings, channel: ReadyChannel, notices: Sequence[Notice], at: datetime
) -> list[Sent]:
    """Webhooks get a message for each alert, chats one for all."""
    name = channel.config.name
    async with open_outbound(settings.outbound) as outbound:
        if channel.config.kind == "slack":
            verdict = await _tried(settings, outbound, channel, chat_body(notices), None)
            return [Sent(name, notices, verdict)]
        found = []
        for notice in notices:
            body = webhook_body(notice, at)
            verdict = await _tried(settings, outbound, channel, body, notice.delivery_id)
            found.append(Sent(name, [notice], verdict))
            if verdict.outcome != "delivered":
                break  # the others would fare alike, and are due again
        return found


async def _tried(
    settings: Settings,
    outbound: Outbound,
    channel: ReadyChannel,
    body: bytes,
    delivery_id: str | None,
) -> Verdict:
    config = settings.monitoring.alerts
    verdict = await _attempt(outbound, channel, body, delivery_id)
    for attempt in range(1, config.attempts):
        if verdict.outcome not in AGAIN:
            break
        await asyncio.sleep(config.wait_seconds * 2 ** (attempt - 1))
        verdict = await _attempt(outbound, channel, body, delivery_id)
    return verdict


async def _attempt(
    outbound: Outbound, channel: ReadyChannel, body: bytes, delivery_id: str | None
) -> Verdict:
    headers = {"content-type": "application/json"}
    if delivery_id is not None:
        headers |= signed_headers(channel.keys, delivery_id, int(time.time()), body)
    seconds = channel.config.timeout_seconds
    try:
        answer = await outbound.send("POST", channel.url, headers, body, seconds, cut_at=MOST_BYTES)
    except OutboundError as error:
        words = str(error).replace(channel.url, channel.host)
        return Verdict("refused" if error.is_refused else "failed", None, words)
    return judged(answer, channel.host)


def _mail(settings: Settings, channel: ReadyChannel, due: Due, at: datetime) -> list[Sent]:
    config = channel.config
    found: list[Sent] = []
    sink = SmtpSink(settings.mail.smtp)
    try:
        for address in config.to:
            # Each addressee has a memory of its own, which the table does not name.
            name = f"{config.name}#{short_hash(address, 8)}"
            notices = due(channel, name)
            if not notices:
                continue
            message = mail_of(notices, config.sender or "", address, at)
            try:
                outcome = sink.send(message)
                is_sent = outcome.state == "sent"
                words = f"the mail server says {outcome.code}: {outcome.state}"
                verdict = Verdict("delivered" if is_sent else "failed", outcome.code, words)
            except JobError as error:
                verdict = Verdict("failed", None, str(error))
            found.append(Sent(name, notices, verdict))
    finally:
        sink.close()
    return found


def _rows(sent: Sent) -> list[Mapping[str, Any]]:
    at: Row = {"sent_at": now(), "outcome": _outcome(sent.verdict)}
    return [
        {
            "delivery_id": notice.delivery_id,
            "alert_id": notice.alert["alert_id"],
            "channel": sent.channel,
            "kind": notice.kind,
            "severity": notice.alert["severity"],
            "message": sent.verdict.words,
            **at,
        }
        for notice in sent.notices
    ]


def _outcome(verdict: Verdict) -> str:
    return DELIVERED if verdict.outcome == "delivered" else "failed"
