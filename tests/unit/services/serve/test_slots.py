"""What slots show over HTTP; what rules decide is tested with `decisions`."""

import json

import pytest
from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import ITEM_IDS, POPULAR, TOKEN, Api

from sparkperso.services.stores.base import StoreError

URL = "/v1/personalize"


def post(client, **body):
    return client.post(URL, json=body)


def test_slots_show_content_and_the_persons_own_list(client):
    body = post(client, user_id="anna", slots=["picks"], context={"n": 3}).json()
    picks = body["slots"]["picks"]
    assert picks["rule"] == "picks-for-you"
    assert [item["item_id"] for item in picks["items"]] == ITEM_IDS[:3]
    assert picks["list"] == {"strategy": "hybrid", "model_version": "7"}
    assert body["segments"] == ["vip"]
    assert body["fallback"] is None
    assert len(body["decision_id"]) == 32


def test_two_people_see_different_lists_and_the_refused_nothing_personal(client):
    def shown(user_id):
        answer = post(client, user_id=user_id, slots=["picks"], context={"in_view": "i1"})
        return [item["item_id"] for item in answer.json()["slots"]["picks"]["items"]]

    # What goes with an item asks for the page alone.
    assert shown("anna")[:2] == shown("refused")[:2] == ["i2", "i3"]
    body = post(client, user_id="refused").json()
    assert body["strategy"] == "no_consent"
    assert body["segments"] == []
    assert {slot["rule"] for slot in body["slots"].values()} == {None}


def test_all_slots_of_the_web_are_shown_where_none_is_named(client):
    assert set(post(client).json()["slots"]) == {"hero", "picks"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"slots": ["heros"]}, "'hero'"),
        ({"slots": []}, "1 to 50 names"),
        ({"slots": [1]}, "1 to 50 names"),
        ({"context": {"contry": "GB"}}, "country"),
        ({"context": []}, "context should be an object"),
        ({"recent": [1]}, "recent"),
        ({"recent": ["x"] * 501}, "500"),
        ({"user": "anna"}, "'user' is none of them"),
        ({"user_id": ""}, "1 to 512"),
        ({"user_id": {"$ne": 1}}, "1 to 512"),
        ({"format": "xml"}, "json, page"),
        ({"format": "page", "page": "../../etc/passwd"}, "page should be one of"),
        ({"explain": "maybe"}, "true or false"),
    ],
)
def test_odd_bodies_are_told_what_is_expected(client, body, says):
    answer = client.post(URL, content=json.dumps(body))
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


def test_half_a_character_is_repaired_or_refused(client):
    answer = client.post(URL, content=b'{"user_id": "a\\ud800"}')
    assert answer.status_code in (200, 422)


def test_an_explanation_lists_every_rule_of_a_slot_and_why(client):
    body = post(client, user_id="anna", slots=["picks"], explain=True).json()
    traces = {one["name"]: one for one in body["slots"]["picks"]["explain"]}
    assert traces["picks-for-you"]["outcome"] == "won"
    assert traces["picks-beside-item"]["outcome"] == "failed"
    assert "in_view" in traces["picks-beside-item"]["why"]


def test_a_page_is_whole_and_runs_nothing(client):
    answer = post(client, user_id="anna", format="page")
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "Item i1" in answer.text
    assert "<h3>Picked for you</h3>" in answer.text


def test_titles_are_text_in_a_page(tmp_path):
    api = Api(tmp_path)
    api.release(
        **{"lists.new": {"anna": b'"strategy":"hybrid"\n{"rank":1,"item_id":"i1","title":"<b>"}'}}
    )
    with TestClient(api.app, headers=TOKEN) as client:
        page = post(client, user_id="anna", format="page").text
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_without_the_store_slots_show_defaults_and_what_is_popular(api, monkeypatch):
    with TestClient(api.app, headers=TOKEN) as client:

        def fails(*_):
            raise StoreError("The store should answer", "It does not")

        monkeypatch.setattr("sparkperso.services.stores.live.LiveStore.get_many", fails)
        body = post(client, user_id="anna").json()
    assert body["fallback"] == "store_down"
    picks = body["slots"]["picks"]
    assert picks["content_id"] == "bestsellers"
    assert [item["item_id"] for item in picks["items"]] == POPULAR[: len(picks["items"])]
    assert body["slots"]["hero"]["content_id"] == "welcome"


def test_a_context_that_is_odd_is_refused_even_where_the_body_says_otherwise(client):
    answer = post(client, n=3, context={"n": 501})
    assert answer.status_code == 422
    body = post(client, user_id="anna", slots=["picks"], n=2.0, context={"n": 5}).json()
    assert len(body["slots"]["picks"]["items"]) == 2


def test_an_odd_page_or_format_is_refused_before_anything_is_decided(tmp_path):
    api = Api(tmp_path)
    with TestClient(api.app, headers=TOKEN) as client:
        for odd in ({"page": 1}, {"page": "shops", "format": "page"}, {"format": ""}):
            assert post(client, **odd).status_code == 422
    assert list((tmp_path / "lake/_spool/decisions").glob("*/*.jsonl")) == []
