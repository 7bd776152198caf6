"""What a channel is told: each state of an alert once, and again only after a while."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.services.alerts.due import Terms, due_notices
from sparkperso.services.alerts.messages import MOST, chat_body, heading, mail_of, webhook_body

NOW = datetime(2026, 3, 30, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
TERMS = Terms("ops", "warning", 24 * HOUR)


def alert(number=1, severity="warning", status="open", **fields):
    return {
        **{"alert_id": f"a{number}", "check": "volume", "subject": f"s{number}", "value": 1.0},
        **{"severity": severity, "status": status, "threshold": 5.0, "to_do": "Look."},
        **{"message": f"s{number} fell", "first_seen": NOW, "last_seen": NOW},
        **{"resolved_at": NOW if status == "resolved" else None, **fields},
    }


class Channel:
    """A channel that takes everything, and what it remembers."""

    def __init__(self, terms=TERMS):
        self.terms, self.rows = terms, []

    def told(self, *alerts, hours=0, outcome="delivered"):
        at = NOW + hours * HOUR
        notices = due_notices(alerts, self.rows, self.terms, at)
        self.rows += [
            {
                **{"alert_id": n.alert["alert_id"], "channel": n.channel, "kind": n.kind},
                **{"severity": n.alert["severity"], "sent_at": at, "outcome": outcome},
            }
            for n in notices
        ]
        return [(n.kind, n.alert["alert_id"]) for n in notices]


def test_an_alert_that_goes_on_is_sent_again_only_after_a_while():
    channel = Channel()
    assert channel.told(alert()) == [("opened", "a1")]
    assert [channel.told(alert(), hours=n) for n in range(1, 24)] == [[]] * 23
    assert channel.told(alert(), hours=24) == [("repeated", "a1")]
    assert channel.told(alert(), hours=47) == []
    assert channel.told(alert(), hours=48) == [("repeated", "a1")]


def test_what_becomes_critical_is_said_at_once_and_once():
    channel = Channel()
    channel.told(alert())
    assert channel.told(alert(severity="critical"), hours=1) == [("raised", "a1")]
    assert channel.told(alert(severity="critical"), hours=2) == []
    assert channel.told(alert(severity="warning"), hours=3) == []


def test_what_is_resolved_is_said_once_to_those_who_knew_of_it():
    channel = Channel()
    channel.told(alert())
    assert channel.told(alert(status="resolved"), hours=1) == [("resolved", "a1")]
    assert channel.told(alert(status="resolved"), hours=99) == []
    assert Channel().told(alert(status="resolved")) == []


def test_what_was_not_taken_is_due_again_under_the_same_id():
    channel = Channel()
    first = due_notices([alert()], channel.rows, TERMS, NOW)
    channel.told(alert(), outcome="failed")
    again = due_notices([alert()], channel.rows, TERMS, NOW + HOUR)
    assert [one.delivery_id for one in again] == [one.delivery_id for one in first]


def test_each_state_and_channel_has_an_id_of_its_own():
    channel = Channel()
    ids = {due_notices([alert()], [], Terms("other", "warning", HOUR), NOW)[0].delivery_id}
    for hours in (0, 24, 48):
        ids.add(due_notices([alert()], channel.rows, TERMS, NOW + hours * HOUR)[0].delivery_id)
        channel.told(alert(), hours=hours)
    assert len(ids) == 4


def test_a_channel_is_told_of_its_own_severities_alone_and_the_worst_first():
    strict = Channel(Terms("ops", "critical", HOUR))
    assert strict.told(alert(1), alert(2, "critical")) == [("opened", "a2")]
    channel = Channel()
    channel.told(alert(3))
    order = channel.told(alert(1), alert(2, "critical"), alert(3, status="resolved"))
    assert order == [("opened", "a2"), ("opened", "a1"), ("resolved", "a3")]


def notices(n, **fields):
    return due_notices([alert(k, **fields) for k in range(n)], [], TERMS, NOW)


def test_a_webhook_says_all_of_an_alert():
    (notice,) = notices(1)
    said = json.loads(webhook_body(notice, NOW))
    assert said["type"] == "alert.opened"
    assert said["data"]["to_do"] == "Look."
    assert said["data"]["first_seen"] == "2026-03-30T12:00:00.000000Z"
    assert said["data"]["resolved_at"] is None


def test_a_chat_gets_text_without_links_and_mentions():
    said = json.loads(chat_body(notices(1, message="<!channel> & <http://x|y>")))
    assert list(said) == ["text"]
    assert "&lt;!channel&gt; &amp; &lt;http://x|y&gt;" in said["text"]
    assert "<" not in said["text"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028", "\x0b", "\x85"])
def test_a_subject_begins_no_line_of_its_own_and_is_no_longer_than_a_line(end):
    forged = f"a{end}critical (store): all is lost, call 0900{'x' * 10_000}"
    found = notices(1, message=forged)
    mail = mail_of(found, "a@shop.example", "b@shop.example", NOW)
    for text in (json.loads(chat_body(found))["text"], mail.get_content()):
        (line,) = [one for one in text.splitlines() if "store" in one]
        assert line.removeprefix("\u2022 ").startswith("warning (")
        assert len(line) < 600


def test_many_alerts_are_counted():
    many = notices(MOST + 5)
    assert "And 5 more" in json.loads(chat_body(many))["text"]
    assert heading(many) == f"sparkperso: {MOST + 5} warning"


def test_a_mail_has_one_addressee_and_says_that_a_machine_wrote_it():
    mail = mail_of(notices(2, message="Umsätze fielen"), "a@shop.example", "b@shop.example", NOW)
    assert (mail["To"], mail["Subject"]) == ("b@shop.example", "sparkperso: 2 warning")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.as_bytes().isascii()
    assert "Umsätze fielen" in mail.get_content()


@pytest.mark.parametrize("text", ["a\r\nBcc: c@x.example", "a\nb"])
def test_no_text_of_an_alert_makes_a_header(text):
    mail = mail_of(notices(1, message=text), "a@shop.example", "b@shop.example", NOW)
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]
