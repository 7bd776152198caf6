"""Bandits over HTTP: a version's shares are what people are given, and what is logged of it."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
import yaml
from scipy import stats
from tests.experiments import conf_of
from tests.openapi import DescribedClient as TestClient
from tests.unit.services.serve.conftest import TOKEN, Api, records
from tests.unit.services.serve.test_decisions import logged

from sparkperso.core.package import shipped
from sparkperso.services.access.api_keys import new_key
from sparkperso.testing.serving import release

THREE = {"variants": {"a": 1, "b": 1, "c": 2}, "bandit": {"metric": "conversion"}}
EARLY = {"": {"a": 0.5, "b": 0.3, "c": 0.2}}
LATE = {"": {"a": 0.05, "b": 0.9, "c": 0.05}}
BY_SEGMENT = {"": {"a": 0.5, "b": 0.5}, "vip": {"a": 0.1, "b": 0.9}}
FAST = ("api.refresh_seconds=0.05",)


def bandit_api(folder, experiments, shares, slots=None):
    conf = conf_of(folder, **experiments)
    for name, bandit in (slots or {}).items():
        path = conf / "slots" / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "bandit": bandit}))
    api = Api(folder, conf, FAST)
    release(api.store, records(), shares=shares)
    return api


def decided(client, people, name):
    found = []
    for user in people:
        answer = client.post("/v1/decide", json={"user_id": user, "experiments": [name]}).json()
        found.append({**answer["experiments"][name], "version": answer["store_version"]})
    return found


def wait_for(client, version):
    for _ in range(200):
        if client.post("/v1/decide", json={"user_id": "u"}).json()["store_version"] == version:
            return
        time.sleep(0.02)
    pytest.fail(f"version {version} was not read")


def require_shares(given, shares):
    """Shares that are given are those that were published, and the propensity is the share."""
    counts = Counter(one["variant"] for one in given)
    expected = [share * len(given) for share in shares.values()]
    assert stats.chisquare([counts[name] for name in shares], expected).pvalue > 0.001
    assert {one["variant"]: one["propensity"] for one in given} == shares


def test_published_shares_are_given_and_change_with_the_version_and_back(tmp_path):
    api = bandit_api(tmp_path, {"three": THREE}, {"three": EARLY})
    people = [f"u{number}" for number in range(1500)]
    with TestClient(api.app, headers=TOKEN) as client:
        first = decided(client, people, "three")
        require_shares(first, EARLY[""])
        wait_for(client, release(api.store, records(), shares={"three": LATE}))
        second = decided(client, people, "three")
        require_shares(second, LATE[""])
        assert {one["version"] for one in first}.isdisjoint({one["version"] for one in second})
        # Whoever moves stood between an old bound and a new one: 0.5 → 0.05, 0.8 → 0.95.
        moved = sum(a["variant"] != b["variant"] for a, b in zip(first, second, strict=True))
        assert moved / len(people) == pytest.approx(0.45 + 0.15, abs=0.05)
        wait_for(client, api.store.rollback()[0])
        assert [one["variant"] for one in decided(client, people[:300], "three")] == [
            one["variant"] for one in first[:300]
        ]


@pytest.mark.parametrize(
    "shares", [{}, {"three": {"": {"a": 0.5, "b": 0.5}}}, {"other": EARLY}, {"three": {"vip": {}}}]
)
def test_without_shares_of_its_own_variants_the_weights_count(tmp_path, shares):
    api = bandit_api(tmp_path, {"three": THREE}, shares)
    with TestClient(api.app, headers=TOKEN) as client:
        given = decided(client, [f"u{number}" for number in range(60)], "three")
    assert {one["variant"]: one["propensity"] for one in given} == {"a": 0.25, "b": 0.25, "c": 0.5}


def test_a_segment_has_shares_of_its_own(tmp_path):
    two = {"bandit": {"metric": "conversion", "by": "audiences"}}
    api = bandit_api(tmp_path, {"two": two}, {"two": BY_SEGMENT})
    with TestClient(api.app, headers=TOKEN) as client:
        # Anna is a vip; of Ben no segment is known.
        anna, ben = decided(client, ["anna", "ben"], "two")
    assert anna["propensity"] == BY_SEGMENT["vip"][anna["variant"]]
    assert ben["propensity"] == BY_SEGMENT[""][ben["variant"]]


def test_a_slot_chooses_its_content_and_logs_the_share(tmp_path):
    contents = sorted(path.stem for path in (shipped("conf") / "content").glob("*.yaml"))
    contents = [name for name in contents if "hero" in content_of(name)["slots"]][:2]
    shares = {"slot-hero": {"": {contents[0]: 0.2, contents[1]: 0.8}}}
    slot = {"contents": contents, "metric": "click_through", "start": "2026-01-01"}
    api = bandit_api(tmp_path, {}, shares, {"hero": slot})
    with TestClient(api.app, headers=TOKEN) as client:
        answers = [
            client.post("/v1/personalize", json={"user_id": f"u{n}", "slots": ["hero"]}).json()
            for n in range(600)
        ]
    counts = Counter(answer["slots"]["hero"]["content_id"] for answer in answers)
    assert counts[contents[1]] / counts.total() == pytest.approx(0.8, abs=0.06)
    lines = {line["decision_id"]: line for line in logged(tmp_path)}
    for answer in answers:
        shown, line = answer["slots"]["hero"]["content_id"], lines[answer["decision_id"]]
        assert answer["slots"]["hero"]["experiments"] == {"slot-hero": shown}
        assert line["experiments"] == {"slot-hero": shown}
        assert line["propensity"] == shares["slot-hero"][""][shown]


def content_of(name):
    return yaml.safe_load((shipped("conf") / "content" / f"{name}.yaml").read_text())


def test_growthbooks_document_has_shares_that_are_everybodys(tmp_path):
    by = {"bandit": {"metric": "conversion", "by": "audiences"}}
    key = new_key()
    kept = {"id": key.id, "sha256": key.sha256, "scopes": ["features"]}
    place = tmp_path / "conf" / "local"
    place.mkdir(parents=True)
    (place / "pages.yaml").write_text(json.dumps({"security": {"api_keys": {"pages": kept}}}))
    shares = {"three": EARLY, "two": BY_SEGMENT}
    api = bandit_api(tmp_path, {"three": THREE, "two": by}, shares)
    with TestClient(api.app) as client:
        answer = client.get(f"/api/features/{key.text}")
        (rule,) = answer.json()["features"]["three"]["rules"]
        assert rule["weights"] == [0.5, 0.3, 0.2]
        # Of one that differs by segment the clients could say nothing true.
        assert answer.json()["features"].keys() == {"three"}
        release(api.store, records(), shares={"three": LATE})
        for _ in range(200):
            other = client.get(f"/api/features/{key.text}")
            if other.headers["etag"] != answer.headers["etag"]:
                break
            time.sleep(0.02)
        (rule,) = other.json()["features"]["three"]["rules"]
        assert rule["weights"] == [0.05, 0.9, 0.05]
