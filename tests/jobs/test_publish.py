"""publish: what services read is what the tables say, byte by byte, and all of it or nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from tests.unit.services.stores.test_records import NAUGHTY

from sparkperso import open_lake
from sparkperso.config import load_settings
from sparkperso.core.errors import ConfigError, JobError, QualityGateError
from sparkperso.jobs.publish import writing
from sparkperso.jobs.publish.checks import require_coverage, require_written
from sparkperso.jobs.publish.job import STEP, require_place
from sparkperso.jobs.publish.session_index import SessionIndex
from sparkperso.jobs.run import STEPS, run_steps
from sparkperso.pipeline.step import carry_out
from sparkperso.recommend.arrays.item_ids import item_ids_of
from sparkperso.schemas import TABLES
from sparkperso.services.stores.factory import open_store
from sparkperso.services.stores.records import (
    CONSENTS,
    ITEMS,
    MARKETING_CONSENTS,
    POPULAR,
    PROFILES,
    SEGMENTS,
    SIMILAR,
    json_text,
    make_list,
    subject_id,
)
from sparkperso.testing.frames import table_frame

# Spark's texts are UTF-8, which has no half of a pair.
IDS = [name for name in NAUGHTY if name != "\ud800"]
CONTROLS = [f"item{chr(code)}{code}" for code in range(32)]
AT = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)
HEAD = b'"strategy":"hybrid","model_version":"7"'


def add(job, table, rows):
    job.writer(table).append(table_frame(job.spark, table, rows))


def places(user, items, kind="new", **fields):
    plain = {"user_id": user, "kind": kind, "score": 0.5, "strategy": "hybrid", "reason": "model"}
    plain |= {"model_version": "7", "generated_at": AT, **fields}
    return [{**plain, "rank": rank, "item_id": item} for rank, item in enumerate(items, start=1)]


def decision(kind, subject, granted, day, purpose="personalisation", **fields):
    when = datetime(2026, 2, day, 1, 2, 3, 45, tzinfo=timezone.utc)
    return {
        **{"subject_kind": kind, "subject_id": subject, "purpose": purpose, "granted": granted},
        **{"event_id": f"{subject}{day}", "ingest_batch": "one"},
        **dict.fromkeys(("decided_at", "effective_at", "received_at"), when),
        **fields,
    }


def item(name, title):
    return {
        **{"item_id": name, "title": title, "category": "Toys", "price": 9.5, "tags": ["t"]},
        **{"attributes": {"stock": "3"}, "first_seen_at": AT, "seen_at": (None, None, None)},
    }


@pytest.fixture
def job(make_job):
    """Each id is a user with a list of all items, an item, a scope, and a subject of consent."""
    job = make_job("publish", set=["publish.min_coverage=0.9"])
    items = [*IDS, *CONTROLS]
    add(job, "silver/items", [item(name, f"title of {name}") for name in items[1:]])
    lists = [place for name in IDS for place in places(name, items)]
    lists += places("again too", ["a", "b"], "again", strategy="again", model_version="again")
    add(job, "gold/recommendations", lists)
    add(job, "gold/candidate_recommendations", places("a", ["x", "y"], model_version="8"))
    popular = [
        {"scope": name, "rank": rank, "item_id": one, "score": 2.0, "window": "all"}
        for name in ("global", *IDS)
        for rank, one in enumerate(IDS[:3], start=1)
    ]
    add(job, "gold/popular_items", popular)
    similar = [{"item_id": name, "rank": 1, "other_item_id": "\n", "score": 0.25} for name in IDS]
    add(job, "gold/similar_items", similar)
    member = {"segmentation": "s", "exclusive": False, "label": "One", "kind": "rule"}
    member |= {"model_version": "v", "assigned_at": AT}
    members = [{**member, "user_id": n, "segment_id": s} for n in IDS for s in ("s-2", "s-1")]
    add(job, "gold/segments", members)
    person = {"country": "DE", "attributes": {"plan": "gold"}, "consents": {}, "as_of": AT}
    person |= {"is_withdrawn": False, "segments": {"s": ["s-1", "s-2"]}}
    add(job, "gold/profiles", [{**person, "user_id": name} for name in IDS])
    decisions = [decision("user_id", name, True, 1) for name in IDS]
    decisions += [
        decision("anonymous_id", "a", True, 2),
        *(decision("user_id", "a", False, 3), decision("user_id", "a", True, 2)),
        decision("user_id", "two sites", True, 3, site="one"),
        decision("user_id", "two sites", False, 2, site="two"),
        decision("user_id", "only asked about analytics", True, 3, "analytics"),
        decision("user_id", "a", True, 3, "marketing"),
        *(decision("user_id", "b", yes, day, "marketing") for day, yes in ((1, True), (2, False))),
    ]
    add(job, "silver/consents", decisions)
    shares = {"error": 0.0, "n": 1, "successes": 0, "n_effective": 1.0, "set_at": AT}
    rows = (
        ("two", "vip", "b", 0.95), ("two", None, "a", 0.4), ("two", "vip", "a", 0.05),
        ("two", None, "b", 0.6), ("x:2", None, "c", 1.0),
    )  # fmt: skip
    names = ("experiment", "segment", "variant", "share")
    add(
        job,
        "gold/experiment_shares",
        [{**shares, **dict(zip(names, row, strict=True))} for row in rows],
    )
    add(job, "gold/session_index", [session(n, items) for n, items in enumerate(walks())])
    return job


def walks():
    """Each id is followed by the two that stand next to it, here and there by another one."""
    round_trip = [*IDS, *CONTROLS, *IDS, *CONTROLS]
    for place in range(len(IDS) + len(CONTROLS)):
        yield round_trip[place : place + 3]
        yield [round_trip[place], round_trip[place * 7 % 40], round_trip[place + 1]]


def session(number, items):
    at = AT + timedelta(minutes=number // 3)
    name = hashlib.sha256(str(number).encode()).hexdigest()
    return {
        **{"session_id": name, "items": items, "n_events": len(items)},
        **{"began_at": at, "ended_at": at},
    }


def check_next_items(version, job):
    """Compares what comes next with what the lake answers, to the bit."""
    lake, model = open_lake(job.settings.lake.root), version.session_model()
    asked = [*walks(), *([name] for name in IDS), [], ["unheard of"], [IDS[1], "unheard of"]]
    for recent in asked:
        expected = [(place.item_id, place.score) for place in lake.next_items(recent, 9)]
        assert model.next_items(recent, 9) == expected
    assert all(model.next_items([name], 9) for name in IDS)


def features_of(job, users):
    columns = TABLES["gold/user_features"].columns
    plain = {c.name: 1.0 if c.type == "double" else 1 for c in columns if c.type != "string"}
    plain |= {c.name: {} for c in columns if c.type.startswith("map")}
    rows = [
        {**plain, "user_id": user, "as_of": datetime(2026, month, 1, tzinfo=timezone.utc)}
        | {"monetary": float(month)}
        for user in users
        for month in (1, 2)
    ]
    add(job, "gold/user_features", rows)


def shown(rank, name, reason, title, score=0.5):
    fields = b'{"rank":%d,"item_id":%b,"score":%b,"reason":%b'
    data = fields % (rank, json_text(name), str(score).encode(), json_text(reason))
    return data + (b',"title":%b}' % json_text(title) if title else b"}")


def check_everything(version, job):
    """Compares each record with the bytes that plain Python makes of the same rows."""
    items = [*IDS, *CONTROLS]
    titles = {name: f"title of {name}" for name in items[1:]}
    every = [shown(r, name, "model", titles.get(name)) for r, name in enumerate(items, start=1)]
    for name in IDS:
        assert version.get("lists.new", name) == make_list(HEAD, every), name
        first = [
            shown(rank, one, f"popular:{name}", titles.get(one), 2.0)
            for rank, one in enumerate(IDS[:3], start=1)
        ]
        head = b'"strategy":"popularity","window":"all"'
        assert version.get(POPULAR, name) == make_list(head, first), name
        one = shown(1, "\n", f"similar:{name}", titles["\n"], 0.25)
        assert version.get(SIMILAR, name) == make_list(b'"strategy":"similar_items"', [one])
        segments = json.loads(version.get(SEGMENTS, name))
        assert [segment["segment_id"] for segment in segments] == ["s-1", "s-2"]
        assert segments[0]["assigned_at"] == "2026-03-01T12:30:00.000Z"
        profile = json.loads(version.get(PROFILES, name))
        assert (profile["country"], profile["attributes"]) == ("DE", {"plan": "gold"})
        assert profile["segments"] == {"s": ["s-1", "s-2"]}
        assert ("features" in profile) == (name in ("a\0b", "é"))
    assert profile.get("birth_year") is None
    assert json.loads(version.get(PROFILES, "é"))["features"]["monetary"] == 2.0
    again = [shown(1, "a", "model", None), shown(2, "b", "model", None)]
    head = b'"strategy":"again","model_version":"again"'
    assert version.get("lists.again", "again too") == make_list(head, again)
    one = json.loads(version.get(ITEMS, '"'))
    assert one == {
        **{"title": 'title of "', "category": "Toys", "price": 9.5, "tags": ["t"]},
        "attributes": {"stock": "3"},
    }
    yes = {"granted": True, "decided_at": "2026-02-01T01:02:03.000045Z"}
    for name in IDS:
        assert json.loads(version.get(CONSENTS, subject_id("user_id", name))) == yes
    later = "2026-02-03T01:02:03.000045Z"
    for name in ("a", "two sites"):
        state = json.loads(version.get(CONSENTS, subject_id("user_id", name)))
        assert state == {"granted": False, "decided_at": later}
    assert json.loads(version.get(CONSENTS, subject_id("anonymous_id", "a")))["granted"]
    assert version.get(CONSENTS, "user_id:only asked about analytics") is None
    # Whoever wants no lists of their own may want mails, and the other way round.
    mails = {
        name: json.loads(version.get(MARKETING_CONSENTS, subject_id("user_id", name)))["granted"]
        for name in ("a", "b")
    }
    assert mails == {"a": True, "b": False}
    assert version.count(MARKETING_CONSENTS) == 2


def test_what_is_published_is_what_the_tables_say_and_gates_keep_the_version(
    job, make_job, redis_server, tmp_path, monkeypatch
):
    features_of(job, ["a\0b", "é"])
    outcome = carry_out(STEP, job)
    store = open_store(job.settings)
    first = store.current()
    assert outcome.summary["version"] == first
    assert outcome.summary["lists new"] == len(IDS)
    assert outcome.summary["lists read back"] == 20
    assert outcome.summary["switched in ms"] < 100
    assert outcome.summary["sessions"] == len(list(walks()))
    assert outcome.summary["next items read back"] == 20
    with store.open(first) as version:
        check_everything(version, job)
        check_next_items(version, job)
        facts = version.manifest
    assert facts.sessions == len(list(walks()))
    assert (facts.model_version, facts.lists_at) == ("7", AT)
    assert facts.candidate_version == "8"
    assert facts.shares == {
        "two": {"": {"a": 0.4, "b": 0.6}, "vip": {"a": 0.05, "b": 0.95}}, "x:2": {"": {"c": 1.0}},
    }  # fmt: skip
    assert facts.models == {"champion", "7", "candidate", "8"}
    assert facts.as_of == datetime(2026, 2, 1, tzinfo=timezone.utc)
    assert not (store.folder.parent / "_staging").exists() or not any(
        (store.folder.parent / "_staging").iterdir()
    )

    # Tasks write the same into Redis.
    redis = [f"store.redis.url={redis_server.url}", f"store.redis.prefix={tmp_path.name}"]
    own = make_job("publish", set=["store.kind=redis", *redis])
    carry_out(STEP, own)
    shared = open_store(own.settings)
    with shared.open(shared.current()) as version:
        check_everything(version, own)
        assert version.manifest.shares == facts.shares
        check_next_items(version, own)
    shared.close()

    # A candidate's lists are gone when its experiment is over: that is no loss.
    job.lake.ref("gold/candidate_recommendations").delta().delete()
    # Half of the lists are gone, and all sessions: the version before stays, and nothing is left of
    # the new one.
    lists = job.lake.ref("gold/recommendations")
    lists.delta().delete("score = 0.5 AND length(user_id) > 1")
    job.lake.ref("gold/session_index").delta().delete()
    with pytest.raises(QualityGateError, match=r"lists\.new .*, sessions 0 after"):
        carry_out(STEP, make_job("publish"))
    assert (store.current(), store.names()) == (first, [first])
    # As from a lake that is on no disk of the driver: its files are fetched.
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(writing, "local_path", lambda place: None)
        carry_out(STEP, make_job("publish", set=["publish.min_coverage=0"]))
    second = store.current()
    assert second > first
    with store.open(second) as version:
        assert version.count("lists.new") == sum(len(name) <= 1 for name in IDS)
        assert (version.count("candidate.new"), version.manifest.candidate_version) == (0, None)
        assert version.session_model() is None
    back = carry_out(STEP, make_job("publish", rollback=True)).summary
    assert back == {"version": first, "instead of": second}
    assert store.chain() == [first]


def test_nothing_to_publish_is_said_and_leaves_no_store(make_job):
    job = make_job("publish")
    with pytest.raises(JobError, match="build-recommendations"):
        carry_out(STEP, job)
    assert open_store(job.settings).names() == []


def test_a_run_publishes_only_where_it_is_configured(make_job):
    step = next(step for step in STEPS if step.name == "publish")
    assert run_steps(make_job("run"), (step,)) == {}
    with pytest.raises(JobError, match="build-recommendations"):
        run_steps(make_job("run", set=["publish.in_run=true"]), (step,))


def test_coverage_is_asked_of_each_namespace_that_had_records():
    before = {"lists.new": 100, "popular": 10, "similar": 0, "candidate.new": 100}
    require_coverage(before, {"lists.new": 90, "popular": 9, "items": 5}, 0.9)
    with pytest.raises(QualityGateError, match=r"lists\.new 89 after 100"):
        require_coverage(before, {"lists.new": 89, "popular": 10}, 0.9)
    with pytest.raises(QualityGateError, match="popular 0 after 10"):
        require_coverage(before, {"lists.new": 100}, 0.9)
    require_coverage(before, {}, 0)
    require_coverage({}, {}, 1)


def test_what_is_stored_is_as_much_as_was_written():
    class Manifest:
        counts = {"popular": 3, "similar": 0}  # noqa: RUF012

    require_written({"popular": 3}, Manifest)
    with pytest.raises(JobError, match="Written: popular 4; stored: popular 3"):
        require_written({"popular": 4}, Manifest)


@pytest.mark.parametrize(
    ("assignments", "lake"),
    [(["lake.catalog=shop"], "lake"), ([], "s3a://shop/lake")],
)
def test_lmdb_needs_folders(assignments, lake):
    with pytest.raises(ConfigError, match="store"):
        require_place(load_settings(assignments=assignments, lake=lake))
    require_place(load_settings(assignments=[*assignments, "store.kind=redis"], lake=lake))


class Stored:
    """A version whose session index says what it is given."""

    def __init__(self, model):
        self.model = model

    def session_model(self):
        return self.model


def test_an_index_that_answers_otherwise_than_the_table_is_refused(job):
    index = SessionIndex(job)
    assert index.require_same_answers(Stored(index.model), 7) == 7
    other = replace(
        index.model, ids=item_ids_of([f"other {n}" for n in range(len(index.model.ids))])
    )
    for stored in (other, None):
        with pytest.raises(JobError, match="gold/session_index"):
            index.require_same_answers(Stored(stored), 7)


def test_a_table_without_sessions_is_no_index(make_job):
    index = SessionIndex(make_job("publish"))
    assert (index.n_sessions, index.model) == (0, None)
    assert index.require_same_answers(Stored(None), 7) == 0
