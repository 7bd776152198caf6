"""Pixels and links of e-mails, asked of a real collector."""

from __future__ import annotations

import json
import os
import time

import httpx
import pytest

from sparkperso.config import load_settings
from sparkperso.email.tokens import make_links
from sparkperso.testing.collector import basic, running_collector

TARGET = "https://shop.example/sale?size=4#top"
SETTINGS = ["--set", "links.hosts=[shop.example]"]
PERSON = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
EARLIER = 3600.0
SERVER = basic("local-server-key")


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("mail"), *SETTINGS) as running:
        yield running


@pytest.fixture
def client(collector):
    with httpx.Client(base_url=collector.url, headers=PERSON) as client:
        yield client


@pytest.fixture
def links(collector):
    settings = load_settings("local", assignments=[f"links.base_url={collector.url}", SETTINGS[1]])
    return make_links(settings, os.environ)


def kept(collector, user):
    return [line for line in map(json.loads, collector.lines()) if line["user_id"] == user]


def when(age=EARLIER, life=7200.0):
    return {"sent_at": time.time() - age, "expires_at": time.time() - age + life}


def test_an_open_is_an_event_of_its_user(collector, client, links):
    answer = client.get(links.open_url("opener", "spring", **when()))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content.startswith(b"GIF89a")
    assert "no-store" in answer.headers["cache-control"]
    (event,) = kept(collector, "opener")
    assert (event["event_type"], event["channel"]) == ("email_open", "email")
    assert event["context"] == {"campaign": "spring"}
    assert event["metadata"] == {"machine": False}
    assert event["collected"]["purpose"] == "marketing"


def test_a_click_leads_on_and_is_an_event(collector, client, links):
    answer = client.get(links.click_url("clicker", "spring", TARGET, **when()))
    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    assert answer.headers["referrer-policy"] == "no-referrer"
    (event,) = kept(collector, "clicker")
    assert event["metadata"] == {"machine": False, "url": TARGET}


@pytest.mark.parametrize(
    "case",
    [
        ("gmail_image_proxy", "GET", {"User-Agent": "x (via ggpht.com GoogleImageProxy)"}, EARLIER),
        ("apple_mail_privacy", "GET", {"User-Agent": "Mozilla/5.0"}, EARLIER),
        ("head", "HEAD", {}, EARLIER),
        ("at_once", "GET", {}, 0),
    ],
)
def test_machines_are_told_apart(collector, client, links, case):
    reason, method, headers, age = case
    for url in (
        links.open_url(f"m-{reason}", "c", **when(age)),
        links.click_url(f"m-{reason}", "c", TARGET, **when(age)),
    ):
        assert client.request(method, url, headers=headers).status_code in (200, 302)
    events = kept(collector, f"m-{reason}")
    assert [event["metadata"]["machine"] for event in events] == [True, True]
    assert {event["metadata"]["machine_reason"] for event in events} == {reason}


@pytest.mark.parametrize(
    "case",
    [
        (403, "forged_token", ""),
        (403, "forged_token", "?t=x.y"),
        (403, "forged_token", "?t=%00%0d%0aSet-Cookie:a=b"),
        (410, "expired_token", "expired"),
        (403, "forged_token", "doubled"),
        (403, "forged_token", "changed"),
    ],
)
def test_a_token_that_is_not_good_leads_nowhere_and_is_no_event(collector, client, links, case):
    status, code, query = case
    good = links.click_url("nobody", "c", TARGET).partition("?")[2]
    old = links.click_url("nobody", "c", TARGET, **when(life=60)).partition("?")[2]
    other = {"expired": f"?{old}", "doubled": f"?{good}&{good}", "changed": f"?{good[:-2]}AA"}
    before = len(collector.lines())
    answer = client.get(f"/v1/click{other.get(query, query)}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:sparkperso:problem:{code}"
    assert "location" not in answer.headers
    picture = client.get(f"/v1/pixel.gif{other.get(query, query)}")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/gif")
    assert len(collector.lines()) == before
    outcome = code.removesuffix("_token")
    assert f'kind="click",outcome="{outcome}"' in client.get("/metrics").text
    assert 'kind="open",outcome="forged"' in client.get("/metrics").text


def test_a_target_that_is_on_the_list_no_more_is_not_led_to(client, collector, links):
    settings = load_settings("local", assignments=["links.hosts=[gone.example]"])
    before = len(collector.lines())
    url = make_links(settings, {}).click_url("u", "c", "https://gone.example/", **when())
    answer = client.get(url.replace(settings.links.base_url, collector.url))
    assert answer.json()["type"] == "urn:sparkperso:problem:target"
    assert len(collector.lines()) == before


def test_where_consent_is_required_links_work_and_only_who_agreed_is_counted(tmp_path):
    site = "collect.sites.local.consent=required"
    with running_collector(tmp_path, *SETTINGS, "--set", site) as strict:
        made = [f"links.base_url={strict.url}", SETTINGS[1]]
        links = make_links(load_settings("local", assignments=made), {})
        said = {"user_id": "agreed", "purposes": {"marketing": True}, "policy_version": "1"}
        said |= {"region": "DE", "method": "banner"}
        assert httpx.post(f"{strict.url}/v1/consent", json=said, auth=SERVER).status_code == 200
        with httpx.Client(headers=PERSON) as client:
            for user in ("agreed", "silent"):
                assert client.get(links.open_url(user, "c", **when())).status_code == 200
                answer = client.get(links.click_url(user, "c", TARGET, **when()))
                assert answer.headers["location"] == TARGET
        assert [line["event_type"] for line in kept(strict, "agreed")] == [
            "consent",
            "email_open",
            "email_click",
        ]
        assert kept(strict, "silent") == []
