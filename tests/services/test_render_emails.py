"""A mailing, from a published store to a real mail server, and the way out of it.

What is sent is read by the standard library's parser, its links by the collector.
"""

from __future__ import annotations

import json
import re
import threading
from email import message_from_bytes, policy
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient
from tests.smtp_server import DROP, mail_server

from sparkperso.cli.main import cli
from sparkperso.config import load_settings
from sparkperso.core.times import now
from sparkperso.email.allow_list import check_target
from sparkperso.email.tokens import make_links
from sparkperso.services.collect.app import make_app
from sparkperso.services.stores.factory import open_store
from sparkperso.services.stores.manifest import Facts
from sparkperso.services.stores.records import (
    CONSENTS,
    ITEMS,
    LISTS,
    MARKETING_CONSENTS,
    POPULAR,
    PROFILES,
    SEGMENTS,
    make_list,
    record_key,
    subject_id,
)

N_ITEMS = 40
PEOPLE = {
    # user_id: country, segments, decisions on personalisation and marketing, begin of their list
    "14911": ("IE", ["audiences-high-value-buyers"], None, True, 0),
    "12393": ("GB", [], None, True, 10),
    "quiet": ("GB", [], None, False, 20),
    "unasked": ("DE", [], None, None, 20),
    "no list": ("FR", [], False, True, 20),
    "american": ("US", [], None, None, 20),
}
CSV = "user_id,address,name,language\n" + "".join(
    f"{name},{name.replace(' ', '')}@post.example,{'Ann' if name == '14911' else ''},"
    f"{'de-AT' if name == '12393' else ''}\n"
    for name in PEOPLE
)
CONSENT_REQUIRED = ["--set", "mail.consent=required"]


def listed(start):
    rows = [
        {"rank": n + 1, "item_id": f"i{start + n}", "score": 1.0, "title": f"Thing {start + n}"}
        for n in range(20)
    ]
    return make_list(b'"strategy":"hybrid"', [json.dumps(row).encode() for row in rows])


def item(n):
    known = {"title": f"Thing {n}", "category": f"c{n % 7}", "tags": [], "attributes": {}}
    return known if n % 5 == 4 else {**known, "price": n + 0.5}


def publish(settings):
    subjects = {name: subject_id("user_id", name) for name in PEOPLE}
    at = "2026-01-01T00:00:00.000000Z"
    records = {
        f"{LISTS}new": {name: listed(row[4]) for name, row in PEOPLE.items()},
        POPULAR: {"global": listed(N_ITEMS - 20)},
        PROFILES: {
            name: {"country": row[0], "features": {"frequency": 2}} for name, row in PEOPLE.items()
        },
        SEGMENTS: {
            name: [{"segment_id": one, "label": one} for one in row[1]]
            for name, row in PEOPLE.items()
        },
        CONSENTS: {
            subjects[name]: {"granted": row[2], "decided_at": at}
            for name, row in PEOPLE.items()
            if row[2] is not None
        },
        MARKETING_CONSENTS: {
            subjects[name]: {"granted": row[3], "decided_at": at}
            for name, row in PEOPLE.items()
            if row[3] is not None
        },
        ITEMS: {f"i{n}": item(n) for n in range(N_ITEMS)},
    }
    store = open_store(settings)
    with store.draft() as draft:
        for namespace, own in records.items():
            pairs = {
                record_key(name): one if isinstance(one, bytes) else json.dumps(one).encode()
                for name, one in own.items()
            }
            draft.write(namespace, sorted(pairs.items()))
        draft.seal(Facts(read_at=now()))
        store.release(draft, 3)


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "people.csv").write_text(CSV)
    publish(load_settings("local", lake=str(tmp_path / "lake")))
    return tmp_path / "lake"


@pytest.fixture
def run(lake, tmp_path):
    """Returns run(*options), which renders the shipped mail `picks`: its lines, and its error."""

    def call(*options, people=True):
        named = ["--people", str(tmp_path / "people.csv")] if people else []
        line = ["render-emails", "picks", *named, "--lake", str(lake), *options]
        answer = CliRunner().invoke(cli, line)
        return answer.output, answer.exception

    return call


@pytest.fixture
def server():
    with mail_server() as running:
        yield running


def read(data):
    message = message_from_bytes(data, policy=policy.default)
    assert [part.defects for part in message.walk() if part.defects] == []
    html, text = (message.get_body((kind,)).get_content() for kind in ("html", "plain"))
    return message, html, text


def links_of(html):
    addresses = re.findall(r'<(?:a|img)\b[^>]*?\s(?:href|src)="([^"]*)"', html)
    return [unescape(one) for one in addresses]


def token(url):
    return parse_qs(urlsplit(url).query)["t"][0]


def things(text):
    return list(dict.fromkeys(re.findall(r"Thing \d+", text)))


def test_each_gets_a_mail_of_their_own_whose_links_the_collector_reads(run, tmp_path):
    output, error = run("--out", str(tmp_path / "out"), "--html", *CONSENT_REQUIRED)
    assert error is None
    assert output.splitlines() == [
        "picks: 6 people",
        "        4  rendered",
        "        2  no consent",
    ]
    files = {path.stem: path for path in (tmp_path / "out").glob("*.eml")}
    assert set(files) == {"14911", "12393", "no%20list", "american"}
    settings = load_settings("local")
    links = make_links(settings, {})
    shown = {}
    for name, path in files.items():
        message, html, text = read(path.read_bytes())
        user = name.replace("%20", " ")
        shown[user] = (message["Subject"], html, things(text))
        kinds = {"/v1/click": "click", "/v1/pixel.gif": "open", "/v1/unsubscribe": "unsubscribe"}
        for url in links_of(html):
            link = links.read(kinds[urlsplit(url).path], token(url))
            assert (link.user_id, link.campaign, link.site) == (user, "picks", "local")
            if link.url:
                check_target(link.url, settings.links.hosts, loopback=True)
        assert message["List-Unsubscribe"].strip("<>") in links_of(html)
        assert {one for one in links_of(html) if "pixel" not in one} <= set(
            re.findall(r"<(http[^>]*)>", text)
        )
    assert shown["14911"][2] == [f"Thing {n}" for n in range(6)]
    assert shown["12393"][2] == [f"Thing {n}" for n in range(10, 16)]
    # Who wants no list of their own gets what is popular.
    assert shown["no list"][2] == [f"Thing {n}" for n in range(20, 26)]
    assert re.search("Exclusive offers|before anybody else", shown["14911"][1])
    assert "Geschenke für jeden Anlass" in shown["12393"][1]
    assert shown["14911"][0] == "Ann, picked for you: Thing 0"
    assert shown["12393"][0] == "Für Sie ausgesucht: Thing 10"
    assert "10,50 £" in shown["12393"][1]
    assert (tmp_path / "out" / "14911.html").read_text() == shown["14911"][1].replace("\r\n", "\n")


def test_the_law_of_counts_everybody_is_counted_once(run, tmp_path):
    rows = ("nobody,,,\n", "14911,not an address,,\n", ",x@post.example,,\n")
    (tmp_path / "people.csv").write_text(CSV + "".join(rows))
    output, error = run("--dry-run", *CONSENT_REQUIRED)
    assert error is None
    counts = {m[2]: int(m[1]) for m in re.finditer(r"^ +(\d+)  (.*)$", output, re.M)}
    assert counts == {
        **{"rendered": 4, "no consent": 2, "no address": 1},
        **{"failed: address": 1, "failed: user_id": 1},
    }
    assert f"picks: {sum(counts.values())} people" in output


def test_a_mail_is_sent_once_however_often_the_mailing_is_started(run, server):
    output, error = run("--smtp", server.address, "--rate", "1000")
    assert error is None
    assert "5  sent" in output
    assert "1  no consent" in output
    assert sorted(mail.to[0] for mail in server.mails) == sorted(
        f"{name.replace(' ', '')}@post.example" for name in PEOPLE if name != "quiet"
    )
    for mail in server.mails:
        message, _, _ = read(mail.data)
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert message["To"].addresses[0].addr_spec == mail.to[0]
    output, error = run("--smtp", server.address, "--rate", "1000")
    assert "5  sent before" in output
    assert len(server.mails) == 5
    output, _ = run("--smtp", server.address, "--rate", "1000", "--campaign", "again")
    assert "5  sent" in output


def test_what_breaks_in_between_is_sent_by_the_next_run_unless_it_may_have_arrived(run, server):
    server.answer("CONTENT", 250, DROP, 250, 550, 250)
    output, _ = run("--smtp", server.address, "--rate", "1000")
    assert "3  sent" in output
    assert "1  unknown: the connection broke before the answer" in output
    assert "1  refused (550)" in output
    server.answer("MAIL", *[451] * 3)
    output, _ = run("--smtp", server.address, "--rate", "1000", "--set", "mail.smtp.wait_seconds=0")
    assert "3  sent before" in output
    assert "1  unknown: handed over by a run that died" in output
    assert "1  refused before" in output
    assert len(server.mails) == 3


def test_a_server_that_goes_away_ends_the_mailing_and_the_next_run_goes_on(run, server):
    gone = threading.Event()

    def leave(_):
        gone.set()
        server.answer("CONNECT", *[421] * 10)

    server.on_content = leave
    server.answer("MAIL", 250, DROP)
    output, error = run("--smtp", server.address, "--set", "mail.smtp.wait_seconds=0")
    assert gone.is_set()
    assert "A mail server should answer" in str(error)
    assert len(server.mails) == 1
    server.on_content = None
    server.answers.clear()
    output, error = run("--smtp", server.address, "--rate", "1000")
    assert "4  sent" in output
    assert "1  sent before" in output
    assert len({mail.to[0] for mail in server.mails}) == len(server.mails) == 5


def test_one_click_ends_it_at_once(run, server, lake):
    """By the header of a mail that was sent, through the collector, with no new publication."""
    assert "5  sent" in run("--smtp", server.address, "--rate", "1000")[0]
    sent = next(mail for mail in server.mails if mail.to == ["14911@post.example"])
    url = urlsplit(read(sent.data)[0]["List-Unsubscribe"].strip("<>"))
    with TestClient(make_app(load_settings("local", lake=str(lake)), {})) as collector:
        form = {"List-Unsubscribe": "One-Click"}
        answer = collector.post(f"{url.path}?{url.query}", data=form)
        assert answer.status_code == 200
        # While the collector runs, as it would.
        output, _ = run("--smtp", server.address, "--rate", "1000", "--campaign", "next")
    assert "4  sent" in output
    assert "2  no consent" in output
    assert sum(mail.to == ["14911@post.example"] for mail in server.mails) == 1


def test_a_sample_needs_no_address(run, tmp_path):
    output, error = run(
        "--user", "14911", "--user", "unknown", "--out", str(tmp_path / "o"), people=False
    )
    assert error is None
    assert "2  rendered" in output
    message, _, text = read((tmp_path / "o" / "unknown.eml").read_bytes())
    assert message["To"].addresses[0].domain == "preview.invalid"
    assert things(text) == [f"Thing {n}" for n in range(20, 26)]
    (tmp_path / "people.csv").write_text(CSV)
    output, _ = run("--user", "12393", "--dry-run")
    assert output.startswith("picks: 1 people")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "exactly one of --out, --smtp and --dry-run"),
        (["--dry-run", "--out", "x"], "exactly one of"),
        (["--smtp", "a b"], "HOST:PORT"),
        (["--smtp", "localhost:99999"], "HOST:PORT"),
        (["--dry-run", "--at", "soon"], "--at takes a time"),
    ],
)
def test_options_that_do_not_fit_are_told(run, options, words):
    assert words in str(run(*options)[1])


def test_what_is_missing_is_told(run, lake):
    answer = CliRunner().invoke(cli, ["render-emails", "pick", "--user", "1", "--dry-run"])
    assert "Did you mean 'picks'" in str(answer.exception)
    nowhere = str(lake.with_name("nowhere"))
    answer = CliRunner().invoke(
        cli, ["render-emails", "picks", "--user", "1", "--dry-run", "--lake", nowhere]
    )
    assert "sparkperso publish" in str(answer.exception)
    assert not lake.with_name("nowhere").exists()
    assert "render-emails takes --people" in str(run("--dry-run", people=False)[1])
