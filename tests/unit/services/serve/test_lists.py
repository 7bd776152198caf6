"""Lists of the API: laws first, then the ladder and its faults."""

import json
import os
import time
from urllib.parse import quote

import pytest
from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import ITEM_IDS, POPULAR, TOKEN, Api, sessions
from tests.unit.services.stores.test_records import NAUGHTY

from sparkperso.services.serve.app import make_app
from sparkperso.services.stores.base import StoreError
from sparkperso.services.stores.overlay import RECENT
from sparkperso.services.stores.records import CONSENTS
from sparkperso.testing.serving import decision, live, release, stored_list

URL = "/v1/recommendations/"
MEMBERS = {
    *("user_id", "items", "strategy", "model_version", "store_version"),
    *("variant", "experiments", "fallback", "decision_id"),
}


def test_a_stored_list_is_answered_as_it_is_stored(client, ids_of):
    answer = client.get(URL + "anna?n=5")
    assert ids_of(answer) == ITEM_IDS[:5]
    body = answer.json()
    assert body.keys() == MEMBERS
    assert (body["strategy"], body["model_version"], body["fallback"]) == ("hybrid", "7", None)
    assert body["store_version"] == client.get("/readyz").json()["store_version"]
    assert body["items"][0] == {
        **{"rank": 1, "item_id": "i1", "score": 1.0, "reason": "model", "title": "Item i1"}
    }


@pytest.mark.parametrize("n", [1, 2, 29, 30, 31, 80, 200])
@pytest.mark.parametrize("who", ["anna", "short", "nobody", "refused", "listless"])
@pytest.mark.parametrize("query", ["", "&exclude=i2&exclude=p1", "&category=c1", "&explain=1"])
def test_every_list_has_as_many_items_as_there_are_each_once_ranked_from_1(
    client, ids_of, n, who, query
):
    answer = client.get(f"{URL}{who}?n={n}{query}")
    found = ids_of(answer)
    ranks = [item["rank"] for item in answer.json()["items"]]
    assert ranks == list(range(1, len(found) + 1))
    assert len(set(found)) == len(found) <= n
    assert not {"i2", "p1"} & set(found) or "exclude" not in query
    if not query:
        own = {"anna": 30, "short": 2}.get(who, 0)
        assert len(found) == min(n, own + len(POPULAR))


@pytest.mark.parametrize("name", NAUGHTY)
def test_ids_of_every_kind_are_answered_and_repeated(client, name):
    answer = client.get(URL + quote(name.encode("utf-8", "surrogatepass"), safe=""))
    assert answer.status_code in (200, 404, 422)
    if answer.status_code == 200:
        assert answer.json()["user_id"] == name


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("n=-1", "n should be a whole number from 1 to 200"),
        ("n=0", "n should be"),
        ("n=1000000000", "n should be"),
        ("n=1e3", "n should be"),
        ("n=1&n=2", "should come once"),
        ("kind=old", "kind should be one of new"),
        ("explain=perhaps", "true or false"),
        ("exclud=i1", "'exclud' is none of them"),
        ("exclude=" + "x" * 600, "1 to 512 characters"),
        ("&".join(["exclude=i1"] * 600), "at most 500"),
        ("&".join(["exclude=i1"] * 1300), "at most 1200 fields"),
        ("in_view=%ED%A0%80", "text in UTF-8"),
        ("exclude=i1&exclude=%ff", "text in UTF-8"),
        ("%ff=1", "text in UTF-8"),
    ],
)
def test_odd_queries_are_told_what_is_expected(client, query, says):
    answer = client.get(f"{URL}anna?{query}")
    if says is None:
        assert answer.status_code in (200, 422)
        return
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/recommendations/%ff",
        "/v1/similar/i%ff",
        "/v1/users/%ff/segments",
        "/v1/users/anna%ed%a0%80/profile",
    ],
)
def test_an_id_in_a_path_that_is_no_text_is_nobodys(client, path):
    answer = client.get(path)
    assert answer.status_code == 422
    assert "should be text in UTF-8" in answer.json()["detail"]


def test_what_the_request_names_is_left_out(client, ids_of):
    query = "n=4&in_view=i1&cart=i2&cart=i3&recent=i5&exclude=i7"
    assert ids_of(client.get(f"{URL}anna?{query}")) == ["i4", "i6", "i8", "i9"]


def test_what_was_done_a_moment_ago_is_left_out_at_once(own_client, api, ids_of):
    client = own_client
    assert ids_of(client.get(URL + "anna?n=2")) == ["i1", "i2"]
    api.put(RECENT, "user_id:anna", live([{"item_id": "i1", "event_type": "purchase"}]))
    assert ids_of(client.get(URL + "anna?n=2")) == ["i2", "i3"]


@pytest.mark.parametrize("user_id", ["anna", "refused"])
def test_a_visitor_who_calls_themselves_by_a_users_id_is_shown_nothing_of_theirs(
    own_client, api, ids_of, user_id
):
    client = own_client
    api.put(RECENT, f"user_id:{user_id}", live([{"item_id": "i1", "event_type": "purchase"}]))
    token = client.post("/v1/tokens", json={"anonymous_id": user_id}).json()["token"]
    visitor = {"Authorization": f"Bearer {token}"}
    answer = client.get(f"{URL}{user_id}?n=2", headers=visitor)
    assert ids_of(answer) == POPULAR[:2]
    assert answer.json()["fallback"] == "unknown_user"
    body = {"anonymous_id": user_id}
    shown = client.post("/v1/personalize", json=body, headers=visitor).json()
    assert shown["segments"] == []
    assert all(one["rule"] != "high-value-hero" for one in shown["slots"].values())
    following = client.post("/v1/next", json=body, headers=visitor)
    assert ids_of(following)[:2] == POPULAR[:2]


def test_a_pin_is_no_way_into_another_category(tmp_path, ids_of):
    rules = tmp_path / "conf" / "rules"
    rules.mkdir(parents=True)
    (rules / "pinned.yaml").write_text("pin: {i1: 1, i2: 2}\n")
    own = Api(tmp_path, tmp_path / "conf")
    with TestClient(own.app, headers=TOKEN) as client:
        assert ids_of(client.get(URL + "ben?n=3")) == ["i1", "i2", "i30"]
        # i1 is of c0, i2 of c1.
        assert ids_of(client.get(URL + "ben?n=3&category=c1"))[:2] == ["i29", "i2"]
        assert "i1" not in ids_of(client.get(URL + "ben?n=30&category=c1"))


def test_the_ladder_goes_from_own_list_to_segment_country_and_shop(client, ids_of):
    assert ids_of(client.get(URL + "anna?n=1")) == ["i1"]
    segment = client.get(URL + "listless?n=1")
    assert ids_of(segment) == [POPULAR[-1]]
    assert segment.json()["items"][0]["reason"] == "popular:segment:vip"
    assert segment.json()["fallback"] == "unknown_user"
    assert ids_of(client.get(URL + "nobody?n=1&country=Germany")) == [POPULAR[10]]
    assert ids_of(client.get(URL + "nobody?n=1")) == [POPULAR[0]]


def test_without_consent_the_list_is_everybodys_and_says_so(own_client, api, ids_of):
    client = own_client
    answer = client.get(URL + "refused?n=3")
    assert ids_of(answer) == POPULAR[:3]
    assert answer.json()["strategy"] == "no_consent"
    assert answer.json()["fallback"] is None
    assert client.get(URL + "anna").json()["strategy"] == "hybrid"
    api.put(CONSENTS, "user_id:anna", live(json.loads(decision(False))))
    assert client.get(URL + "anna").json()["strategy"] == "no_consent"
    # One who agreed later, in this browser, agrees to what it shows.
    later = decision(True, "2026-02-01T00:00:00.000000Z")
    api.put(CONSENTS, "anonymous_id:a1", live(json.loads(later)))
    assert client.get(URL + "anna?anonymous_id=a1").json()["strategy"] == "hybrid"


def test_a_browsers_signal_is_a_no_where_a_no_is_what_counts(tmp_path):
    api = Api(tmp_path, more=("consent.opt_out_regions=['US-CA']", "consent.default=opt_in"))
    with TestClient(api.app, headers=TOKEN) as client:
        headers = {"Sec-GPC": "1"}
        here = client.get(URL + "anna?country=US-CA", headers=headers).json()
        there = client.get(URL + "anna?country=GB", headers=headers).json()
    assert (here["strategy"], there["strategy"]) == ("no_consent", "hybrid")


def test_where_consent_is_required_nobody_who_was_not_asked_is_personalised(tmp_path):
    api = Api(tmp_path, more=("serving.consent=required",))
    with TestClient(api.app, headers=TOKEN) as client:
        assert client.get(URL + "anna").json()["strategy"] == "no_consent"
        api.put(CONSENTS, "user_id:anna", live(json.loads(decision(True))))
        assert client.get(URL + "anna").json()["strategy"] == "hybrid"


def test_similar_items_are_those_of_the_item(client, ids_of):
    answer = client.get("/v1/similar/i1?n=3")
    assert ids_of(answer)[:2] == ["i2", "i3"]
    assert answer.json()["strategy"] == "similar_items"
    assert client.get("/v1/similar/unheard-of").json()["fallback"] == "unknown_item"


def test_a_session_is_followed_by_what_the_model_says_of_visitors_too(client, ids_of):
    answer = client.post("/v1/next", json={"recent": ["i3", "i1"], "n": 5})
    expected = [item for item, _ in sessions().next_items(["i3", "i1"], 5, ["i3", "i1"])]
    assert ids_of(answer) == expected
    assert answer.json()["strategy"] == "session_knn"
    excluded = client.post(
        "/v1/next", json={"recent": ["i3", "i1"], "n": 5, "exclude": expected[:2]}
    )
    assert ids_of(excluded)[:3] == expected[2:]
    nothing = client.post("/v1/next", json={"n": 2}).json()
    assert (nothing["strategy"], nothing["fallback"]) == ("popularity", "unknown_user")


def test_without_consent_no_session_is_followed(client):
    body = {"recent": ["i3", "i1"], "anonymous_id": "visitor-no"}
    assert client.post("/v1/next", json=body).json()["strategy"] == "no_consent"


@pytest.mark.parametrize(
    "body", [[], {"n": 0}, {"recents": []}, {"recent": [None]}, {"n": True}, {"context": 1}]
)
def test_odd_sessions_are_told_what_is_expected(client, body):
    assert client.post("/v1/next", json=body).status_code == 422


def test_who_may_not_is_refused_and_learns_nothing(client):
    for path in (URL + "anna", "/v1/similar/i1", "/v1/users/anna/profile"):
        answer = client.get(path, headers={"Authorization": "Bearer local-dev-tokem"})
        assert answer.status_code == 401
        assert "anna" not in answer.text
    assert client.post("/v1/next", json={}, headers={"Authorization": ""}).status_code == 401


def test_a_new_version_is_read_and_a_broken_one_is_not(api, ids_of):
    with TestClient(api.app, headers=TOKEN) as client:
        name = release(api.store, {"lists.new": {"anna": stored_list(["new"], model_version="8")}})
        wait_for(lambda: client.get("/readyz").json()["store_version"] == name)
        assert ids_of(client.get(URL + "anna?n=1")) == ["new"]


def test_a_store_that_fails_falls_back_to_what_was_popular_then_is_left_alone(
    api, ids_of, monkeypatch
):
    with TestClient(api.app, headers=TOKEN) as client:
        calls = []

        def fails(addresses):
            calls.append(addresses)
            raise StoreError("The store should answer", "It does not")

        assert ids_of(client.get(URL + "anna?n=1")) == ["i1"]
        where = "sparkperso.services.stores.live.LiveStore.get_many"
        monkeypatch.setattr(where, lambda _, addresses: fails(addresses))
        for _ in range(20):
            answer = client.get(URL + "anna?n=2")
            assert ids_of(answer) == POPULAR[:2]
            assert answer.json()["fallback"] == "store_down"
        assert len(calls) < 20
        profile = client.get("/v1/users/anna/profile")
        assert (profile.status_code, profile.json()["fallback"]) == (200, "store_down")


def test_a_store_that_was_never_published_to_answers_the_configured_items(tmp_path, ids_of):
    api = Api(tmp_path, more=("api.default_items=['d1','d2']",))
    (tmp_path / "lake/_serving/CURRENT").unlink()
    app = make_app(api.settings, os.environ)
    with TestClient(app, headers=TOKEN) as client:
        answer = client.get(URL + "anna?n=5")
        assert ids_of(answer) == ["d1", "d2"]
        assert (answer.json()["strategy"], answer.json()["fallback"]) == ("default", "no_version")
        assert client.get("/readyz").status_code == 503


def wait_for(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
