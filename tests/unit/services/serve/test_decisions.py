"""What was decided reaches the sink: every answer, once, and nobody's name without consent."""

import json
from typing import get_args

import pytest
from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import TOKEN, Api

from sparkperso.config.content.slots import ListKind
from sparkperso.services.stores.base import StoreError


def logged(folder):
    place = folder / "lake/_spool/decisions"
    files = sorted(place.glob("*/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_every_answer_is_logged_once_with_what_it_showed(tmp_path):
    api = Api(tmp_path)
    with TestClient(api.app, headers=TOKEN) as client:
        answers = [
            client.get(f"/v1/recommendations/{who}?n=2").json() for who in ("anna", "refused")
        ]
        slots = client.post("/v1/personalize", json={"user_id": "anna"}).json()
    lines = logged(tmp_path)
    by_id = {(line["decision_id"], line["slot"]): line for line in lines}
    assert len(by_id) == len(lines) == 4
    own = by_id[answers[0]["decision_id"], None]
    assert (own["user_id"], own["item_ids"], own["propensity"]) == ("anna", ["i1", "i2"], 1.0)
    assert (own["strategy"], own["model_version"]) == ("hybrid", "7")
    refused = by_id[answers[1]["decision_id"], None]
    assert (refused["user_id"], refused["anonymous_id"]) == (None, None)
    assert refused["strategy"] == "no_consent"
    assert refused["item_ids"] == [item["item_id"] for item in answers[1]["items"]]
    picks = by_id[slots["decision_id"], "picks"]
    assert picks["rule"] == "picks-for-you"
    assert picks["item_ids"] == [one["item_id"] for one in slots["slots"]["picks"]["items"]]


@pytest.mark.parametrize("kind", get_args(ListKind))
def test_who_did_not_agree_is_named_with_no_kind_of_list(tmp_path, kind):
    api = Api(tmp_path)
    with TestClient(api.app, headers=TOKEN) as client:
        for who in ("anna", "refused"):
            answer = client.get(f"/v1/recommendations/{who}?kind={kind}&in_view=i1")
            assert answer.status_code == 200
    lines = sorted(logged(tmp_path), key=lambda line: line["timestamp"])
    assert [line["user_id"] for line in lines] == ["anna", None]
    assert {line["anonymous_id"] for line in lines} == {None}


def test_nobody_is_named_where_the_store_could_not_say_whether_they_agreed(tmp_path, monkeypatch):
    def fails(*_):
        raise StoreError("The store should answer", "It does not")

    api = Api(tmp_path)
    with TestClient(api.app, headers=TOKEN) as client:
        monkeypatch.setattr("sparkperso.services.stores.live.LiveStore.get_many", fails)
        assert client.get("/v1/recommendations/anna").json()["fallback"] == "store_down"
    (line,) = logged(tmp_path)
    assert (line["user_id"], line["anonymous_id"]) == (None, None)


def test_more_than_may_wait_is_dropped_and_counted(tmp_path):
    api = Api(tmp_path, more=("api.max_pending_decisions=2",))
    with TestClient(api.app, headers=TOKEN) as client:
        for _ in range(30):
            assert client.get("/v1/recommendations/anna").status_code == 200
        text = client.get("/metrics").text
    dropped = float(
        next(
            line
            for line in text.splitlines()
            if "dropped_decisions_total" in line and line[0] != "#"
        ).split()[-1]
    )
    assert dropped + len(logged(tmp_path)) == 30
