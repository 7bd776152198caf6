"""Experiments over HTTP: all protocols say the same, slots and lists show the variant."""

import json
import os
from collections import Counter

import pytest
from pydantic import TypeAdapter
from tests.experiments import conf_of
from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import ITEM_IDS, POPULAR, TOKEN, Api, records
from tests.unit.services.serve.test_decisions import logged

from sparkperso.core.hashing import share_of
from sparkperso.experiments.assignment.growthbook import condition_of
from sparkperso.rules.conditions import Condition
from sparkperso.services.access.api_keys import new_key
from sparkperso.services.serve.app import make_app
from sparkperso.services.stores.base import StoreError
from sparkperso.testing.serving import release, stored_list

EXPERIMENTS = {
    "flag": {"variants": {"off": {"payload": False}, "on": {"payload": True}}},
    "names": {"variants": {"a": 1, "b": 3}, "coverage": 0.5, "overrides": {"tester": "b"}},
    "vips": {"where": {"segment": "behaviour-1"}},
    "mobile": {"where": {"context": "device_type", "one_of": ["mobile"]}},
    "visits": {"unit": "anonymous_id"},
    "night": {"where": {"context": "hour", "at_least": 25}},
    "over": {"end": "2026-02-01"},
    "sketch": {"status": "draft"},
    "past": {"status": "stopped"},
}
RUNNING = {"flag", "names", "vips", "mobile", "visits", "night"}
PEOPLE = [f"u{number}" for number in range(300)]
FLAGS = "/ofrep/v1/evaluate/flags"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    api = Api(folder, conf_of(folder, **EXPERIMENTS))
    with TestClient(api.app, headers=TOKEN) as client:
        yield client


def decided(client, **body):
    answer = client.post("/v1/decide", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["experiments"]


def evaluated(client, key, **context):
    return client.post(f"{FLAGS}/{key}", json={"context": context})


def test_all_that_are_running_are_decided_where_none_is_named(client):
    assert decided(client, user_id="u1").keys() == RUNNING


def test_the_same_person_is_given_the_same_by_every_route(client):
    for user in PEOPLE[:50]:
        own = decided(client, user_id=user, experiments=["names"])["names"]
        flag = evaluated(client, "names", targetingKey=user).json()
        bulk = client.post(FLAGS, json={"context": {"targetingKey": user}}).json()["flags"]
        of_bulk = next(one for one in bulk if one["key"] == "names")
        assert flag.pop("metadata").keys() >= {"decision_id", "experiment"}
        assert of_bulk.pop("metadata")["propensity"] == own["propensity"]
        assert flag == of_bulk
        assert (flag["variant"], flag["value"]) == (own["variant"], own["value"])
        assert flag["reason"] == ("SPLIT" if own["is_counted"] else "DEFAULT")


def test_shares_and_propensities_are_those_of_the_weights(client):
    given = [decided(client, user_id=user, experiments=["names"])["names"] for user in PEOPLE]
    counts = Counter(one["variant"] for one in given if one["is_counted"])
    assert counts["b"] / counts.total() == pytest.approx(0.75, abs=0.1)
    assert {one["propensity"] for one in given if one["reason"] == "not_covered"} == {1.0}
    assert {one["propensity"] for one in given if one["is_counted"]} == {0.25, 0.75}


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        ({"user_id": "refused"}, "flag", "no_consent"),
        ({}, "flag", "no_unit"),
        ({"user_id": "tester"}, "names", "tester"),
        ({"user_id": "u1"}, "vips", "not_targeted"),
        ({"user_id": "u1", "context": {"device_type": "Mobile"}}, "mobile", "split"),
        ({"user_id": "u1", "context": {"device_type": "desktop"}}, "mobile", "not_targeted"),
        ({"anonymous_id": "b1"}, "visits", "split"),
        ({"user_id": "u1", "anonymous_id": "visitor-no"}, "visits", "no_consent"),
        ({"user_id": "u1"}, "over", "not_running"),
        ({"user_id": "u1"}, "past", "not_running"),
    ],
)
def test_the_reason_is_told(client, body, name, reason):
    found = decided(client, **body, experiments=[name])[name]
    assert found["reason"] == reason
    if reason not in ("split", "tester"):
        assert not found["is_counted"]
        assert found["variant"] in ("off", "a")


def test_what_is_not_there_is_told_with_the_nearest(client):
    for name in ("flga", "sketch"):
        answer = client.post("/v1/decide", json={"user_id": "u1", "experiments": [name]})
        assert answer.status_code == 422
    answer = client.post("/v1/decide", json={"user_id": "u1", "experiments": ["flga"]})
    assert "Did you mean 'flag'?" in answer.json()["detail"]
    assert client.post("/v1/decide", json={"user": "u1"}).status_code == 422
    assert client.post("/v1/decide", content=b"[]").status_code == 422


@pytest.mark.parametrize(
    ("key", "content", "status", "code"),
    [
        ("flagg", b'{"context": {"targetingKey": "u1"}}', 404, "FLAG_NOT_FOUND"),
        ("sketch", b'{"context": {"targetingKey": "u1"}}', 404, "FLAG_NOT_FOUND"),
        ("%2e%2e%2f", b"{}", 404, "FLAG_NOT_FOUND"),
        ("flag", b"{", 400, "PARSE_ERROR"),
        ("flag", b"[]", 400, "INVALID_CONTEXT"),
        ("flag", b'{"context": 3}', 400, "INVALID_CONTEXT"),
        ("flag", b'{"context": {"targetingKey": 3}}', 400, "INVALID_CONTEXT"),
        ("flag", b'{"context": {"targetingKey": ""}}', 400, "INVALID_CONTEXT"),
        ("flag", b'{"context": {"targetingKey": "u1", "device_type": 3}}', 400, "INVALID_CONTEXT"),
    ],
)
def test_errors_have_the_protocols_body(client, key, content, status, code):
    answer = client.post(f"{FLAGS}/{key}", content=content)
    assert answer.status_code == status
    assert answer.json()["errorCode"] == code
    assert answer.json()["errorDetails"]
    assert answer.json()["key"] == key.replace("%2e", ".").replace("%2f", "/")
    if code != "FLAG_NOT_FOUND":
        assert client.post(FLAGS, content=content).json()["errorCode"] == code


def test_of_a_whole_context_what_means_nothing_is_left_out(client):
    more = {"email": "x@example.com", "plan": {"a": [1]}, "age": 3, "device_type": "mobile"}
    assert evaluated(client, "mobile", targetingKey="u1", **more).json()["reason"] == "SPLIT"
    assert evaluated(client, "flag").json()["reason"] == "DEFAULT"
    assert evaluated(client, "over", targetingKey="u1").json()["reason"] == "DISABLED"
    assert evaluated(client, "names", targetingKey="tester").json()["reason"] == "TARGETING_MATCH"


def test_flags_that_are_known_are_not_sent_again(client):
    body = {"context": {"targetingKey": "u1"}}
    first = client.post(FLAGS, json=body)
    etag = {"If-None-Match": first.headers["etag"]}
    again = client.post(FLAGS, json=body, headers=etag)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = {"context": {"targetingKey": "u2", "device_type": "mobile"}}
    assert client.post(FLAGS, json=other, headers=etag).status_code == 200


def test_growthbooks_features_are_the_running_experiments(client):
    answer = client.get("/api/features/local-dev-token")
    document = answer.json()
    # Of an hour their clients know nothing.
    assert document["features"].keys() == RUNNING - {"night"}
    names = document["features"]["names"]
    assert names["defaultValue"] == "a"
    (rule,) = names["rules"]
    assert (rule["weights"], rule["coverage"], rule["hashVersion"]) == ([0.25, 0.75], 0.5, 2)
    assert "tester" not in answer.text
    etag = {"If-None-Match": f"W/{answer.headers['etag']}"}
    assert client.get("/api/features/local-dev-token", headers=etag).status_code == 304


def test_only_a_key_of_that_scope_alone_stands_in_an_address(tmp_path):
    keys = {}
    for name, scopes in (
        ("pages", ["features"]),
        ("shop", ["features", "decide"]),
        ("x", ["decide"]),
    ):
        key = new_key()
        keys[name] = key.text
        conf = tmp_path / "conf" / "local"
        conf.mkdir(parents=True, exist_ok=True)
        kept = {"id": key.id, "sha256": key.sha256, "scopes": scopes}
        values = {"security": {"api_keys": {name: kept}}}
        (conf / f"{name}.yaml").write_text(json.dumps(values))
    api = Api(tmp_path, conf_of(tmp_path, **EXPERIMENTS))
    with TestClient(api.app) as client:
        found = {n: client.get(f"/api/features/{key}").status_code for n, key in keys.items()}
        assert found == {"pages": 200, "shop": 403, "x": 403}
        assert client.get("/api/features/nobody").status_code == 401
        pages = {"Authorization": f"Bearer {keys['pages']}"}
        assert client.post("/v1/decide", json={"user_id": "u"}, headers=pages).status_code == 403
        assert client.post(FLAGS, json={}, headers=pages).status_code == 403
        assert client.post(FLAGS, json={}).status_code == 401


def test_a_decision_is_logged_where_somebody_is_counted(tmp_path):
    api = Api(tmp_path, conf_of(tmp_path, **EXPERIMENTS))
    with TestClient(api.app, headers=TOKEN) as client:
        one = client.post("/v1/decide", json={"user_id": "u1", "experiments": ["flag"]}).json()
        client.post("/v1/decide", json={"user_id": "refused"})
        client.post("/v1/decide", json={"user_id": "tester", "experiments": ["names"]})
    (line,) = logged(tmp_path)
    assert line["decision_id"] == one["decision_id"]
    assert (line["kind"], line["user_id"], line["propensity"]) == ("experiments", "u1", 0.5)
    assert line["experiments"] == {"flag": one["experiments"]["flag"]["variant"]}


def test_without_the_store_everybody_gets_the_baseline_and_nobody_is_counted(tmp_path, monkeypatch):
    def fails(*_):
        raise StoreError("The store should answer", "It does not")

    api = Api(tmp_path, conf_of(tmp_path, **EXPERIMENTS))
    with TestClient(api.app, headers=TOKEN) as client:
        monkeypatch.setattr("sparkperso.services.stores.live.LiveStore.get_many", fails)
        answer = client.post("/v1/decide", json={"user_id": "u1"}).json()
        shown = client.post("/v1/personalize", json={"user_id": "u1"}).json()
    assert answer["fallback"] == "store_down"
    assert not any(one["is_counted"] for one in answer["experiments"].values())
    assert all(slot["experiments"] == {} for slot in shown["slots"].values())
    assert logged(tmp_path) == [line for line in logged(tmp_path) if line["experiments"] == {}]


SHOWN = {
    "hero": {"variants": {"a": 1, "b": {"content": {"hero": "we-miss-you"}}}},
    "quiet": {"variants": {"a": 1, "b": {"rules": {"off": ["picks-for-you"]}}}},
    "lists": {
        "variants": {"own": {"strategy": "personal"}, "popular": {"strategy": "popularity"}},
        "layer": {"name": "lists", "range": [0, 1]},
    },
}


def variant_of(name, user, variants=("a", "b")):
    return variants[share_of(name, user) >= 0.5]


def test_slots_show_the_variant_and_say_which(tmp_path):
    api = Api(tmp_path, conf_of(tmp_path, **SHOWN))
    seen = Counter()
    with TestClient(api.app, headers=TOKEN) as client:
        for user in ("anna", "ben", *PEOPLE[:20]):
            slots = client.post("/v1/personalize", json={"user_id": user}).json()["slots"]
            hero, picks = slots["hero"], slots["picks"]
            assert hero["experiments"] == {"hero": variant_of("hero", user)}
            is_b = hero["experiments"]["hero"] == "b"
            assert (hero["content_id"] == "we-miss-you") is is_b
            assert (hero["reason"] == "experiment") is is_b
            assert picks["experiments"]["quiet"] == variant_of("quiet", user)
            if user == "anna":
                is_off = picks["experiments"]["quiet"] == "b"
                assert (picks["rule"] == "picks-for-you") is not is_off
            seen[hero["content_id"]] += 1
        none = client.post("/v1/personalize", json={"user_id": "refused"}).json()["slots"]
        assert all(slot["experiments"] == {} for slot in none.values())
    assert seen["we-miss-you"] > 3
    lines = [line for line in logged(tmp_path) if line["slot"] == "hero" and line["experiments"]]
    assert {line["propensity"] for line in lines} == {0.5}


def test_lists_are_made_as_the_variant_says(tmp_path):
    api = Api(tmp_path, conf_of(tmp_path, **SHOWN))
    with TestClient(api.app, headers=TOKEN) as client:
        for user, own in (("anna", ITEM_IDS), ("ben", ITEM_IDS[::-1])):
            answer = client.get(f"/v1/recommendations/{user}?n=5").json()
            variant = variant_of("lists", user, ("own", "popular"))
            assert answer["experiments"] == {"lists": variant}
            assert answer["variant"] == variant
            ids = [item["item_id"] for item in answer["items"]]
            popular = POPULAR[::-1] if user == "anna" else POPULAR
            assert ids == (own if variant == "own" else popular)[:5]
            assert answer["strategy"] == ("hybrid" if variant == "own" else "popularity")
            assert answer["fallback"] is None
        refused = client.get("/v1/recommendations/refused").json()
        assert (refused["experiments"], refused["variant"]) == ({}, None)
        similar = client.get("/v1/similar/i1").json()
        assert similar["experiments"] == {}


def test_the_log_says_how_probably_each_place_shows_its_item(tmp_path):
    """Both models have i40 on top, and at other places what the other has not."""
    halves = {"old": {"weight": 1, "model": "champion"}, "new": {"weight": 3, "model": "candidate"}}
    api = Api(tmp_path, conf_of(tmp_path, models={"variants": halves}))
    stored = records()
    users = PEOPLE[:20]
    for user in users:
        stored["lists.new"][user] = stored_list(["i40", "i1", "i2", "i3"], model_version="7")
    other = {u: stored_list(["i40", "i2", "i1", "i5"], "als", model_version="8") for u in users}
    release(api.store, {**stored, "candidate.new": other}, candidate_version="8")
    app = make_app(api.settings, os.environ, tmp_path / "conf")
    with TestClient(app, headers=TOKEN) as client:
        for user in users:
            assert client.get(f"/v1/recommendations/{user}?n=3").json()["experiments"]
        client.get("/v1/recommendations/refused?n=3")
    lines = [line for line in logged(tmp_path) if line["kind"] == "new"]
    found = {line["experiments"].get("models"): line for line in lines}
    assert found["old"]["propensity"] == 0.25
    assert found["old"]["item_propensities"] == [1.0, 0.25, 0.25]
    assert found["new"]["item_propensities"] == [1.0, 0.75, 0.75]
    assert "item_propensities" not in found[None]


def test_without_a_log_no_other_variants_lists_are_read(tmp_path, monkeypatch):
    def read(*_):
        raise AssertionError("nothing keeps them")

    monkeypatch.setattr("sparkperso.services.serve.engine.lists.propensities_in", read)
    both = {"both": {"variants": {"a": 1, "b": {"strategy": "popularity"}}}}
    api = Api(tmp_path, conf_of(tmp_path, **both), ["api.log_decisions=false"])
    with TestClient(api.app, headers=TOKEN) as client:
        assert client.get("/v1/recommendations/anna?n=3").json()["experiments"]


def test_a_list_that_rules_change_as_well_has_the_propensity_of_its_variant_alone(tmp_path):
    both = {"a": 1, "b": {"strategy": "popularity", "rules": {"on": ["no-c0"]}}}
    conf = conf_of(tmp_path, both={"variants": both})
    (conf / "rules" / "no-c0.yaml").write_text("enabled: false\nblock: {category: c0}\n")
    with TestClient(Api(tmp_path, conf).app, headers=TOKEN) as client:
        answer = client.get("/v1/recommendations/anna?n=3").json()
        assert answer["experiments"]
    (line,) = [line for line in logged(tmp_path) if line["kind"] == "new"]
    assert line["propensity"] == 0.5
    assert "item_propensities" not in line


def test_a_rule_that_is_compared_counts_for_lists_without_a_slot_too(tmp_path):
    rules = {"rules": {"variants": {"a": 1, "b": {"rules": {"on": ["no-c0"]}}}}}
    conf = conf_of(tmp_path, **rules)
    (conf / "rules" / "no-c0.yaml").write_text("enabled: false\nblock: {category: c0}\n")
    with TestClient(Api(tmp_path, conf).app, headers=TOKEN) as client:
        seen = Counter()
        for user in PEOPLE[:10]:
            answer = client.get(f"/v1/recommendations/{user}?n=9").json()
            variant = variant_of("rules", user)
            assert answer["experiments"] == {"rules": variant}
            categories = {(int(item["item_id"][1:]) - 1) % 3 for item in answer["items"]}
            assert (len(categories) == 2) is (variant == "b")
            seen[variant] += 1
        assert min(seen["a"], seen["b"]) > 0


def test_two_models_are_compared_where_the_store_has_both(tmp_path):
    models = {"models": {"variants": {"old": {"model": "champion"}, "new": {"model": "candidate"}}}}
    api = Api(tmp_path, conf_of(tmp_path, **models))
    with TestClient(api.app, headers=TOKEN) as client:
        answers = [client.get(f"/v1/recommendations/{u}?n=3").json() for u in ("anna", "ben")]
        assert [one["experiments"] for one in answers] == [{}, {}]
        reason = decided(client, user_id="anna")["models"]["reason"]
        assert reason == "no_lists"
    other = {
        user: stored_list(POPULAR[20:40], "als", model_version="8")
        for user in ("anna", "ben", "u0")
    }
    release(api.store, {**records(), "candidate.new": other}, candidate_version="8")
    app = make_app(api.settings, os.environ, tmp_path / "conf")
    with TestClient(app, headers=TOKEN) as client:
        seen = set()
        for user in ("anna", "ben", "u0"):
            answer = client.get(f"/v1/recommendations/{user}?n=3").json()
            variant = variant_of("models", user, ("old", "new"))
            assert answer["experiments"] == {"models": variant}
            if variant == "new":
                assert (answer["strategy"], answer["model_version"]) == ("als", "8")
            elif user != "u0":
                assert answer["model_version"] == "7"
            seen.add(variant)
        assert seen == {"old", "new"}


def test_conditions_in_growthbooks_language():
    def given(**condition):
        return condition_of(TypeAdapter(Condition).validate_python(condition))

    assert given(segment="vip") == {"segments": {"$elemMatch": {"$eq": "vip"}}}
    assert given(attribute="age", between=(18, 30)) == {
        "age": {"$exists": True, "$gte": 18, "$lte": 30}
    }
    assert given(context="page", begins_with="/a.b/") == {"page": {"$regex": r"^(\/a\.b\/)"}}
    assert given(**{"not": {"context": "in_view", "exists": True}}) == {
        "$not": {"in_view": {"$exists": True}}
    }
    with pytest.raises(ValueError, match="'where' asks for cart_size"):
        given(context="cart_size", at_least=2)
