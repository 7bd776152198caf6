"""One-click unsubscribe (RFC 8058), asked of the collector: a POST, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from sparkperso.config import load_settings
from sparkperso.email.tokens import make_links
from sparkperso.services.collect.app import make_app

SERVER = ("local-server-key", "")
FORM = {"List-Unsubscribe": "One-Click"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    settings = load_settings("local", lake=str(tmp_path_factory.mktemp("lake")))
    with TestClient(make_app(settings, {}), follow_redirects=False) as client:
        yield client, make_links(settings, {}), settings


@pytest.fixture
def client(place):
    return place[0]


def address(place, user, **when):
    parts = urlsplit(place[1].unsubscribe_url(user, "spring", **when))
    return f"{parts.path}?{parts.query}"


def decided(client, user):
    answer = client.get("/v1/consent", params={"user_id": user}, auth=SERVER)
    return answer.json()["purposes"]["marketing"]


def events(place, user):
    parts = sorted((Path(place[2].lake.root) / "_spool").glob("*/*.jsonl"))
    lines = [json.loads(line) for part in parts for line in part.read_bytes().splitlines()]
    return [line for line in lines if line.get("user_id") == user]


def agree(client, user):
    body = {"user_id": user, "purposes": {"marketing": True, "personalisation": True}}
    assert client.post("/v1/consent", json=body, auth=SERVER).status_code == 200


@pytest.mark.parametrize(
    "form", [{"data": FORM}, {"files": {"List-Unsubscribe": (None, "One-Click")}}]
)
def test_one_click_withdraws_from_marketing_alone_as_often_as_it_is_sent(place, client, form):
    user = f"clicker-{next(iter(form))}"
    agree(client, user)
    assert decided(client, user) is True
    for _ in range(2):
        answer = client.post(address(place, user), **form)
        assert (answer.status_code, answer.json()) == (200, {"status": "unsubscribed"})
        assert "no-store" in answer.headers["cache-control"]
        assert decided(client, user) is False
    kept = client.get("/v1/consent", params={"user_id": user}, auth=SERVER).json()["purposes"]
    assert kept["personalisation"] is True
    *_, last = events(place, user)
    assert last["event_type"] == "consent"
    assert last["metadata"]["purposes"] == {"marketing": False}
    assert last["metadata"]["method"] == "one_click"


def test_a_link_that_is_followed_asks_and_withdraws_nothing(place, client):
    agree(client, "reader")
    for method in ("GET", "HEAD"):
        answer = client.request(method, address(place, "reader"), headers=BROWSER)
        assert answer.status_code == 200
    page = client.get(address(place, "reader"), headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<form method="post">' in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "reader" not in page.text
    assert decided(client, "reader") is True
    done = client.post(address(place, "reader"), headers=BROWSER)
    assert "no more of our mails" in done.text
    assert decided(client, "reader") is False


def test_an_old_link_still_lets_its_user_out(place, client):
    agree(client, "patient")
    old = address(place, "patient", sent_at=1000, expires_at=2000)
    assert client.post(old, data=FORM).status_code == 200
    assert decided(client, "patient") is False


def test_who_agrees_again_gets_mails_again_until_they_withdraw_again(place, client):
    for expected in (True, False, True, False):
        if expected:
            agree(client, "wavering")
        else:
            client.post(address(place, "wavering"), data=FORM)
        assert decided(client, "wavering") is expected
    assert len(events(place, "wavering")) == 4


@pytest.mark.parametrize("query", ["", "?t=", "?t=x.y", "of a click", "changed", "doubled"])
def test_a_link_that_is_not_ours_withdraws_nothing(place, client, query):
    agree(client, "bystander")
    click = place[1].click_url("bystander", "spring", "http://localhost:3000/").partition("?")[2]
    good = address(place, "bystander").partition("?")[2]
    others = {
        "of a click": f"?{click}",
        "changed": f"?{good[:-3]}AAA",
        "doubled": f"?{good}&{good}",
    }
    path = f"/v1/unsubscribe{others.get(query, query)}"
    for answer in (client.post(path, data=FORM), client.get(path)):
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:sparkperso:problem:forged_token"
    assert decided(client, "bystander") is True


def test_the_browser_of_whoever_pressed_the_button_is_not_withdrawn(place, client):
    """Mails are forwarded: a friend's press is for the mail's user."""
    agree(client, "forwarder")
    friend = {"purposes": {"marketing": True}}
    own = client.post("/v1/consent", json=friend, auth=("local-dev-key", ""))
    cookie = own.cookies
    assert cookie
    client.post(address(place, "forwarder"), headers=BROWSER)
    assert "anonymous_id" not in events(place, "forwarder")[-1]
    assert client.get("/v1/consent", auth=("local-dev-key", "")).json()["purposes"]["marketing"]
