"""`sparkperso alerts`: to a real receiver of webhooks, a chat and a mail server on loopback."""

from __future__ import annotations

import email
import json
import subprocess
from datetime import datetime, timedelta, timezone
from email import policy
from pathlib import Path

import pytest
import yaml
from tests.smtp_server import mail_server
from tests.triggers import OLD_SECRET, SECRET, stub_of

from sparkperso.cli.main import run_cli
from sparkperso.config import load_settings
from sparkperso.platform.lake_lock import lake_lock
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.platform.table_feed import add_rows

JUDGE = Path(__file__).parents[2] / ".tools" / "judges" / "bin" / "python"
CHECK = """
import json, sys
from standardwebhooks.webhooks import Webhook
secret, headers, body = json.load(sys.stdin)
print(json.dumps(Webhook(secret).verify(body, headers)))
"""
NOW = datetime(2026, 3, 30, 12, tzinfo=timezone.utc)
DELIVERIES = "ops/alert_deliveries"


def judged(secret, request):
    """Returns a message as the library of Standard Webhooks takes it."""
    given = json.dumps([secret, request.headers, request.body.decode()])
    done = subprocess.run(
        [JUDGE, "-c", CHECK], input=given, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


class Watch:
    """A lake with alerts, and channels that are told of them."""

    def __init__(self, folder):
        self.lake, self.conf = folder / "lake", folder / "conf"
        self.reader = LakeReader(load_settings(lake=str(self.lake)).lake)

    def channels(self, *channels, smtp=None, outbound=None, **alerts):
        local = {"allowed_hosts": ["http://127.0.0.1:*"], "allow_private": ["127.0.0.0/8"]}
        tree = {
            "outbound": local if outbound is None else outbound,
            "monitoring": {"alerts": {"channels": list(channels), "wait_seconds": 0, **alerts}},
        }
        if smtp:
            tree["mail"] = {"smtp": {"port": smtp, "security": "none", "wait_seconds": 0}}
        self.conf.joinpath("local").mkdir(parents=True, exist_ok=True)
        self.conf.joinpath("local", "own.yaml").write_text(yaml.safe_dump(tree))

    def alert(self, name="clicks", severity="critical"):
        row = {
            **{"alert_id": name, "check": "volume", "subject": name, "severity": severity},
            **{"status": "open", "value": 9.0, "threshold": 8.0, "message": f"{name} fell"},
            **{"to_do": "Look.", "first_seen": NOW, "last_seen": NOW, "resolved_at": None},
            "run_id": "r",
        }
        add_rows(self.reader, "ops/alerts", [row])

    def resolve(self, name="clicks"):
        table = self.reader.require("ops/alerts")
        table.update({"status": "'resolved'"}, predicate=f"alert_id = '{name}'")

    def earlier(self, hours):
        """Lets what was sent have been sent so long ago."""
        then = datetime.now(timezone.utc) - timedelta(hours=hours)
        table = self.reader.require(DELIVERIES)
        table.update(new_values={"sent_at": then})

    def run(self, *words):
        return run_cli(["alerts", *words, "--conf-dir", str(self.conf), "--lake", str(self.lake)])

    def noted(self):
        rows = self.reader.select(DELIVERIES, order_by="sent_at, alert_id")
        return [(row["channel"], row["kind"], row["outcome"]) for row in rows]


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.setenv("OPS_SECRET", SECRET)
    return Watch(tmp_path)


def webhook(port, **more):
    url = f"http://127.0.0.1:{port}/hooks/alerts"
    return {"name": "ops", "kind": "webhook", "url": url, "secret_env": "OPS_SECRET", **more}


def test_a_webhook_is_told_of_each_state_once(watch, capsys):
    watch.alert()
    watch.alert("orders", "warning")
    with stub_of(200) as receiver:
        watch.channels(webhook(receiver.port))
        assert watch.run("send") == 0
        assert watch.run("send") == 0
        assert "Nothing is due" in capsys.readouterr().out
        watch.earlier(hours=25)
        assert watch.run("send") == 0
        watch.resolve()
        assert watch.run("send") == 0
        assert watch.run("send") == 0
        said = [judged(SECRET, request) for request in receiver.requests]
    assert [(one["type"], one["data"]["alert_id"]) for one in said] == [
        *[("alert.opened", "clicks"), ("alert.opened", "orders")],
        *[("alert.repeated", "clicks"), ("alert.repeated", "orders")],
        ("alert.resolved", "clicks"),
    ]
    assert len({r.headers["webhook-id"] for r in receiver.requests}) == 5


def test_what_a_receiver_does_not_take_is_tried_and_due_again(watch, capsys):
    watch.alert()
    with stub_of(500, 500, 500, 500, 200) as receiver:
        watch.channels(webhook(receiver.port))
        assert watch.run("send") == 1
        assert "answered 500" in capsys.readouterr().err
        assert len(receiver.requests) == 3
        assert watch.run("send") == 0
        assert len({r.headers["webhook-id"] for r in receiver.requests}) == 1
    assert watch.noted() == [("ops", "opened", "failed"), ("ops", "opened", "delivered")]


def test_two_at_once_tell_nobody_twice(watch, capsys):
    """A chat and a mail server know no second message by its id."""
    watch.alert()
    with stub_of(200) as receiver:
        watch.channels(webhook(receiver.port))
        with lake_lock(load_settings(lake=str(watch.lake)).lake, "alerts") as is_alone:
            assert is_alone
            assert watch.run("send") == 0
        assert "Another process is telling them" in capsys.readouterr().out
        assert receiver.requests == []
        assert watch.run("send") == 0
        assert len(receiver.requests) == 1


def test_while_a_secret_changes_both_sign(watch, monkeypatch):
    monkeypatch.setenv("OLD", OLD_SECRET)
    watch.alert()
    with stub_of(200) as receiver:
        watch.channels(webhook(receiver.port, previous_secret_env="OLD"))
        assert watch.run("send") == 0
    (request,) = receiver.requests
    for secret in (SECRET, OLD_SECRET):
        assert judged(secret, request)["type"] == "alert.opened"


def test_a_chat_is_told_all_at_once_at_an_address_that_is_a_secret(watch, monkeypatch, capsys):
    for name in ("clicks", "orders"):
        watch.alert(name)
    with stub_of(200, 404) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/services/T0/very-secret"
        monkeypatch.setenv("CHAT_URL", url)
        watch.channels({"name": "chat", "kind": "slack", "url_env": "CHAT_URL"})
        assert watch.run("send") == 0
        assert watch.run("test", "chat") == 1
        said = json.loads(receiver.requests[0].body)
    assert "2 critical" in said["text"]
    assert "clicks fell" in said["text"]
    out = capsys.readouterr()
    assert "very-secret" not in out.out + out.err
    assert len(watch.noted()) == 2


def test_mails_go_to_each_addressee_and_only_who_did_not_get_it_gets_it_again(watch):
    watch.alert()
    with mail_server() as server:
        people = ["ann@shop.example", "bob@shop.example"]
        mail = {"name": "mail", "kind": "email", "to": people, "sender": "ops@shop.example"}
        watch.channels(mail, smtp=server.port)
        server.answer("RCPT", 250, 550)
        assert watch.run("send") == 1
        assert watch.run("send") == 0
        assert watch.run("send") == 0
        assert [kept.to for kept in server.mails] == [[one] for one in people]
        said = email.message_from_bytes(server.mails[0].data, policy=policy.default)
    assert said["Subject"] == "sparkperso: 1 critical"
    assert "clicks fell" in said.get_content()
    assert "shop.example" not in str(watch.noted())


def test_a_mail_server_that_is_away_stops_no_other_channel(watch, capsys):
    watch.alert()
    mail = {"name": "mail", "kind": "email", "to": ["a@b.example"], "sender": "c@b.example"}
    with stub_of(200) as receiver:
        watch.channels(mail, webhook(receiver.port), smtp=1)
        assert watch.run("send") == 1
        assert len(receiver.requests) == 1
    assert "mail#" in capsys.readouterr().err


def test_hosts_that_are_not_on_the_list_are_not_called(watch, capsys):
    watch.alert()
    watch.channels(webhook(80), outbound={"allowed_hosts": ["hooks.shop.example"]})
    assert watch.run("send") == 2
    assert "127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "x", "kind": "webhook", "url": "http://127.0.0.1:1/"},
        {"name": "x", "kind": "slack"},
        {"name": "x", "kind": "email", "to": ["a@b.example"]},
        {"name": "x", "kind": "email", "to": ["a\r\nb@c.example"], "sender": "a@b.example"},
        {"name": "x", "kind": "webhook", "url": "http://127.0.0.1:1/", "secret_env": "UNSET"},
    ],
)
def test_channels_that_are_not_sound_are_refused_by_name(watch, wrong, capsys):
    watch.channels(wrong)
    assert watch.run("send") == 2
    assert capsys.readouterr().err.count("x") >= 1


def test_alerts_are_listed_and_without_any_that_is_said(watch, capsys):
    watch.channels()
    assert watch.run("list") == 0
    assert "There are none" in capsys.readouterr().out
    assert watch.run("send") == 0
    watch.alert()
    assert watch.run("list") == 0
    assert "critical  volume: clicks fell\n  Look." in capsys.readouterr().out
    watch.resolve()
    assert watch.run("list", "--all", "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "resolved"
