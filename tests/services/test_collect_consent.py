"""Consent over HTTP: nothing without it, a cookie with it, nothing after it."""

from __future__ import annotations

import json

import httpx
import pytest

from sparkperso.testing.collector import basic, running_collector

ORIGIN = {"Origin": "http://127.0.0.1:3000"}
CLICK = {"event_type": "click", "timestamp": "2026-06-01T10:00:00Z"}
ALL_NO = dict.fromkeys(("analytics", "personalisation", "recording", "marketing"), False)


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("consent"), "--demo") as running:
        yield running


@pytest.fixture
def browser(collector):
    """Returns a client that keeps cookies, as one browser on the demo's pages."""
    with httpx.Client(base_url=collector.url, auth=basic("demo-key"), headers=ORIGIN) as client:
        yield client


def decide(client, **body):
    return client.post("/v1/consent", json=body)


def click(client, **fields):
    return client.post("/v1/events", json=CLICK | fields)


def kept(collector, name):
    lines = [json.loads(line) for line in collector.lines()]
    return [line for line in lines if line.get("anonymous_id") == name]


def test_a_browser_has_no_id_before_consent_one_with_it_and_none_after(collector, browser):
    assert click(browser).status_code == 422  # nobody: neither an id nor a cookie
    refusal = decide(browser, purposes=ALL_NO)
    assert refusal.json() == {"status": "accepted", "stored": False}
    assert not browser.cookies
    before = len(collector.lines())

    given = decide(browser, purposes=ALL_NO | {"analytics": True}, region="DE", method="banner")
    assert (given.status_code, given.json()["stored"]) == (200, True)
    header = given.headers["set-cookie"]
    assert "HttpOnly" in header
    assert "samesite=lax" in header.lower()
    assert "Max-Age=15552000" in header
    name = browser.cookies["sp_anon"]
    assert click(browser, event_id="while").json()["status"] == "accepted"
    assert browser.get("/v1/consent").json()["purposes"]["analytics"] is True

    taken_back = decide(browser, purposes=ALL_NO)
    assert not browser.cookies
    assert 'sp_anon=""' in taken_back.headers["set-cookie"]
    refused = click(browser, anonymous_id=name)
    assert refused.json() == {"status": "refused", "reason": "no_consent", "purpose": "analytics"}

    found = kept(collector, name)
    assert [line["event_type"] for line in found] == ["consent", "click", "consent"]
    assert len(collector.lines()) == before + 3
    assert found[0]["metadata"] == {
        "purposes": ALL_NO | {"analytics": True},
        "policy_version": "1",
        "region": "DE",
        "method": "banner",
    }


def test_a_cookie_is_secure_but_on_plain_loopback(collector):
    headers = ORIGIN | {"Host": "collector.shop.example"}
    body = {"purposes": {"analytics": True}}
    with httpx.Client(base_url=collector.url, auth=basic("demo-key"), headers=headers) as client:
        answer = client.post("/v1/consent", json=body)
    assert "Secure" in answer.headers["set-cookie"]


def test_each_purpose_is_asked_for_by_itself(browser):
    decide(browser, purposes={"analytics": True, "recording": False})
    assert click(browser).json()["status"] == "accepted"
    film = click(browser, event_type="session_recording").json()
    assert (film["status"], film["purpose"]) == ("refused", "recording")


def test_a_server_may_decide_for_a_user_and_ask(browser):
    answer = decide(browser, user_id="u-7", purposes={"marketing": True}, method="contract")
    assert answer.status_code == 200
    state = browser.get("/v1/consent", params={"user_id": "u-7"}).json()["purposes"]
    assert state == {
        "analytics": None, "personalisation": None, "recording": None, "marketing": True
    }  # fmt: skip


def test_the_policy_says_what_a_banner_asks(browser):
    policy = browser.get("/v1/consent/policy", params={"region": "US-CA"}).json()
    assert policy["regime"] == "opt_out"
    assert browser.get("/v1/consent/policy", params={"region": "DE"}).json()["regime"] == "opt_in"
    assert set(policy["purposes"]) == {"necessary", *ALL_NO}


@pytest.mark.parametrize("purposes", [None, {}, {"analytics": "yes"}, {"spying": True}, [1]])
def test_a_decision_that_says_nothing_clear_is_a_problem(browser, purposes):
    answer = decide(browser, purposes=purposes)
    assert answer.status_code == 422
    assert "purposes" in answer.json()["detail"]


def test_decisions_hold_after_a_restart(tmp_path):
    with running_collector(tmp_path, "--demo") as collector:
        body = {"user_id": "u", "purposes": {"analytics": True}}
        httpx.post(f"{collector.url}/v1/consent", json=body, auth=basic("demo-key"))
        collector.kill()
    with running_collector(tmp_path, "--demo") as collector:
        event = CLICK | {"user_id": "u"}
        answer = httpx.post(f"{collector.url}/v1/events", json=event, auth=basic("demo-key"))
        assert answer.json()["status"] == "accepted"


@pytest.mark.parametrize("signal", [{"Sec-GPC": "1"}, {"DNT": "1"}])
@pytest.mark.parametrize(("country", "status"), [("US", "refused"), ("DE", "accepted")])
def test_the_browsers_signal_outweighs_a_yes_where_opt_out_holds(browser, signal, country, status):
    decide(browser, purposes={"analytics": True})
    sent = CLICK | {"context": {"country": country}}
    assert browser.post("/v1/events", json=sent, headers=signal).json()["status"] == status


def test_an_opt_out_region_needs_no_yes_but_hears_a_no(browser):
    person = {"anonymous_id": "us-1", "context": {"country": "US"}}
    assert click(browser, **person).json()["status"] == "accepted"
    decide(browser, anonymous_id="us-1", purposes=ALL_NO)
    assert click(browser, **person).json()["status"] == "refused"


@pytest.mark.parametrize("first", [True, False])
def test_of_two_decisions_in_one_batch_the_later_holds(browser, first):
    name = f"batch-{first}"
    said = [
        {"event_type": "consent", "anonymous_id": name, "timestamp": f"2026-06-01T1{n}:00:00Z",
         "metadata": {"purposes": {"analytics": given}}}
        for n, given in enumerate((first, not first))
    ]  # fmt: skip
    browser.post("/v1/events", json={"events": said})
    status = click(browser, anonymous_id=name).json()["status"]
    assert status == ("refused" if first else "accepted")
