"""Consent over HTTP: nothing without it, a cookie with it, nothing after it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

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


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """Returns a collector that browsers reach by https, through a proxy before it."""
    address = "collect.public_url=https://collect.shop.example"
    folder = tmp_path_factory.mktemp("public")
    with running_collector(folder, "--demo", "--set", address) as running:
        yield running


@pytest.fixture
def server(collector):
    """Returns a client as the site's own server, which has a secret key and no origin."""
    with httpx.Client(base_url=collector.url, auth=basic("demo-server-key")) as client:
        yield client


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


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "collector.shop.example"])
@pytest.mark.parametrize("is_public", [True, False])
def test_a_cookie_is_secure_by_the_public_address_and_by_no_header(
    collector, public, host, is_public
):
    headers = ORIGIN | {"Host": host, "X-Forwarded-Proto": "http"}
    body = {"purposes": {"analytics": True}, "writeKey": "demo-key"}
    url = (public if is_public else collector).url
    answer = httpx.post(f"{url}/v1/consent", json=body, headers=headers)
    assert ("Secure" in answer.headers["set-cookie"]) is is_public


def test_each_purpose_is_asked_for_by_itself(browser):
    decide(browser, purposes={"analytics": True, "recording": False})
    assert click(browser).json()["status"] == "accepted"
    film = click(browser, event_type="session_recording").json()
    assert (film["status"], film["purpose"]) == ("refused", "recording")


NOTHING = dict.fromkeys(ALL_NO)


def test_a_server_may_decide_for_a_user_and_ask(server):
    answer = decide(server, user_id="u-7", purposes={"marketing": True}, method="contract")
    assert answer.status_code == 200
    state = server.get("/v1/consent", params={"user_id": "u-7"}).json()["purposes"]
    assert state == NOTHING | {"marketing": True}


@pytest.mark.parametrize("headers", [ORIGIN, {}])
def test_a_write_key_learns_nothing_of_others_and_agrees_for_no_user(collector, server, headers):
    decide(server, user_id="u-8", purposes={"marketing": False})
    with httpx.Client(base_url=collector.url, auth=basic("demo-key"), headers=headers) as anybody:
        for person in ({"user_id": "u-8"}, {"anonymous_id": "a-8"}):
            answer = anybody.get("/v1/consent", params=person)
            assert (answer.status_code, "purposes" in answer.json()) == (403, False)
            assert answer.json()["type"] == "urn:sparkperso:problem:server_key"
        answer = decide(anybody, user_id="u-8", purposes={"marketing": True})
        assert answer.status_code == (200 if headers else 403)
        event = {"event_type": "consent", "metadata": {"purposes": {"marketing": True}}}
        for more in ({}, {"anonymous_id": "u-8"}):
            click(anybody, user_id="u-8", **event, **more)
            click(anybody, **event, anonymous_id="u-8")
    state = server.get("/v1/consent", params={"user_id": "u-8"}).json()["purposes"]
    assert state == NOTHING | {"marketing": False}
    assert click(server, user_id="u-8", event_type="email_open").json()["status"] == "refused"


@pytest.mark.parametrize("place", ["page", "query", "body"])
def test_a_servers_key_is_taken_from_no_place_where_others_could_read_it(collector, place):
    key, headers, query = "demo-server-key", {}, {}
    if place == "page":
        headers = ORIGIN | {"Authorization": f"Bearer {key}"}
    body = {"user_id": "u", "purposes": {"analytics": True}}
    body |= {"writeKey": key} if place == "body" else {}
    query |= {"writeKey": key} if place == "query" else {}
    url = f"{collector.url}/v1/consent"
    answer = httpx.post(url, json=body, headers=headers, params=query)
    assert (answer.status_code, answer.json()["type"][-10:]) == (403, "server_key")


def test_a_person_who_signed_in_agrees_in_a_browser_and_is_heard_there(browser, server):
    assert decide(browser, user_id="u-9", purposes={"analytics": True}).status_code == 200
    assert click(browser, user_id="u-9").json()["status"] == "accepted"
    assert server.get("/v1/consent", params={"user_id": "u-9"}).json()["purposes"] == NOTHING
    decide(browser, user_id="u-9", purposes=ALL_NO)
    assert not browser.cookies
    assert click(browser, user_id="u-9", anonymous_id="elsewhere").json()["status"] == "refused"
    decide(browser, user_id="u-9", purposes={"analytics": True})
    assert browser.cookies
    assert click(browser, user_id="u-9").json()["status"] == "accepted"


OTHERS = [
    '{"a": "b; c", "d": [1]}', "two words", "[x", "=", "no_equals_sign", "naïve=Größe", 'q="a;b"',
    "x=sp_anon=a-0", "sp_anon", "sp_anon=not ours", "a,b=c", "\u2028=1", "expires=Thu, 01 Jan 1970",
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("shape", ["{0}; {1}", "{1}; {0}", "{0};{1};{0}", ";{0} ;;  {1} ;"])
def test_a_cookie_of_others_hides_ours_from_nothing(collector, browser, other, shape):
    decide(browser, purposes={"analytics": True})
    ours = f"sp_anon={browser.cookies['sp_anon']}"
    headers = [("Cookie", shape.format(other, ours).encode())]
    with httpx.Client(base_url=collector.url, auth=basic("demo-key"), headers=headers) as plain:
        assert click(plain).json()["status"] == "accepted"
        assert plain.get("/v1/consent").json()["purposes"]["analytics"] is True


def test_ours_is_found_in_the_second_of_two_cookie_headers(collector, browser):
    decide(browser, purposes={"analytics": True})
    ours = f"sp_anon={browser.cookies['sp_anon']}"
    for headers in ([("Cookie", ours), ("Cookie", "a=b")], [("Cookie", "a=b"), ("Cookie", ours)]):
        answer = httpx.post(
            f"{collector.url}/v1/events", json=CLICK, auth=basic("demo-key"), headers=headers
        )
        assert answer.json()["status"] == "accepted"


def test_a_withdrawal_is_heard_for_the_cookie_too_where_a_page_names_another_id(browser):
    decide(browser, purposes={"analytics": True})
    cookie = browser.cookies["sp_anon"]
    assert decide(browser, anonymous_id="of-the-page", purposes=ALL_NO).status_code == 200
    assert click(browser, anonymous_id=cookie).json()["status"] == "refused"


T = [f"2026-06-01T10:0{n}:00Z" for n in range(4)]


@pytest.mark.parametrize("as_number", [False, True])
def test_a_late_yes_undoes_no_later_no_and_a_newer_one_holds(browser, as_number):
    name = f"late-{as_number}"

    def say(given, at, **more):
        at = int(datetime.fromisoformat(at[:-1] + "+00:00").timestamp() * 1000) if as_number else at
        body = {"anonymous_id": name, "purposes": {"analytics": given}, "decided_at": at}
        assert decide(browser, **body, **more).status_code == 200
        return click(browser, anonymous_id=name).json()["status"]

    assert say(True, T[1]) == "accepted"
    assert say(False, T[2]) == "refused"
    assert say(True, T[1]) == say(True, T[2]) == "refused"
    assert say(True, T[3]) == "accepted"


def test_a_clock_is_set_right_by_the_time_of_sending_and_the_future_is_now(collector, browser):
    def say(given, **times):
        body = {"anonymous_id": "clock", "purposes": {"analytics": given}, **times}
        assert decide(browser, **body).status_code == 200
        line = kept(collector, "clock")[-1]
        return line["timestamp"], line["collected"]["received_at"]

    decided, received = say(True, decided_at="2190-01-01T00:00:00Z")
    assert decided == received
    decided, received = say(
        False, decided_at="2190-01-01T00:00:00Z", sent_at="2190-01-01T00:00:02Z"
    )
    assert moment(received) - moment(decided) == timedelta(seconds=2)
    decided, received = say(True, decided_at=T[0], sent_at=T[1])
    assert moment(received) - moment(decided) == timedelta(minutes=1)
    assert click(browser, anonymous_id="clock").json()["status"] == "refused"


def moment(text):
    return datetime.fromisoformat(f"{text[:-1]}+00:00")


@pytest.mark.parametrize("name", ["decided_at", "sent_at"])
@pytest.mark.parametrize("value", ["yesterday", "2026-06-01", [], True, 1e300])
def test_a_time_that_is_none_is_named(browser, name, value):
    answer = decide(browser, purposes={"analytics": True}, **{name: value})
    assert (answer.status_code, name in answer.json()["detail"]) == (422, True)


def test_a_signal_counts_that_came_beside_its_contrary(collector, browser):
    decide(browser, purposes={"analytics": True})
    sent = CLICK | {"context": {"country": "US"}, "anonymous_id": browser.cookies["sp_anon"]}
    for name in ("Sec-GPC", "DNT"):
        for values in (("1", "0"), ("0", "1"), ("1, 0",), ("1", "1")):
            headers = [(name, value) for value in values]
            url = f"{collector.url}/v1/events"
            answer = httpx.post(url, json=sent, auth=basic("demo-key"), headers=headers)
            assert answer.json()["status"] == "refused", (name, values)


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
        httpx.post(f"{collector.url}/v1/consent", json=body, auth=basic("demo-server-key"))
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


@pytest.mark.parametrize("name", [7, 12.0, 4111111111111111])
def test_a_number_names_its_person_in_every_route(server, name):
    """Many shops count their users: 7 and "7" are one."""
    given = {"user_id": name, "anonymous_id": name, "purposes": {"analytics": True}}
    answer = decide(server, **given)
    assert answer.status_code == 200, answer.text
    for id_field in ("user_id", "anonymous_id"):
        told = server.get("/v1/consent", params={id_field: str(int(name))}).json()
        assert told["purposes"]["analytics"] is True


@pytest.mark.parametrize(
    ("sent", "region", "regime"),
    [
        ("us-ca", "US-CA", "opt_out"),
        ("US", "US", "opt_out"),
        ("UK", "GB", "opt_in"),
        ("no region", None, "opt_in"),
        ("x" * 9_000, None, "opt_in"),
    ],
)
def test_a_banner_is_told_the_rule_that_its_events_are_judged_by(server, sent, region, regime):
    told = server.get("/v1/consent/policy", params={"region": sent}).json()
    assert (told["region"], told["regime"]) == (region, regime)
