"""load-source: items and users of files, merged by key; what events may and may not change."""

from __future__ import annotations

import json
import os
from datetime import datetime

import pytest

from sparkperso.core.errors import QualityGateError, UsageError
from sparkperso.jobs import build_profiles, ingest_events, load_source
from sparkperso.jobs.run import with_sources
from sparkperso.pipeline.step import carry_out

pytestmark = pytest.mark.usefixtures("unrecorded")

GOODS = """
kind: items
fields: [sku, name]
optional_fields: [department, price, labels, stock, changed]
types: {price: double}
columns:
  item_id: sku
  title: name
  category: department
  price: price
  tags: labels
  attributes.in_stock: stock
  updated_at: changed
"""
PEOPLE = """
kind: users
consent: "{consent}"
fields: [id]
optional_fields: [born, country, email, plan, city, changed, agreed]
columns:
  user_id: id
  birth_year: born
  country: country
  attributes.email: email
  attributes.plan: plan
  attributes.city: city
  updated_at: changed
  {more}
"""
ASSUMED = PEOPLE.format(consent="assumed: contract", more="")


@pytest.fixture
def run(make_job, tmp_path):
    """Returns run(step, source, text, name=…): a source's file, and what it reads."""

    def carry(step, source, yaml, lines=None, **options):
        name = options.pop("name", "a.jsonl")
        folder = tmp_path / "conf" / "sources"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{source}.yaml").write_text(yaml)
        inside = tmp_path / source
        inside.mkdir(exist_ok=True)
        if lines is not None:
            path = inside / name
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
            os.utime(path, (AT, AT))
        job = make_job(step.name, source=source, path=str(inside), **options)
        job.conf_dir = tmp_path / "conf"
        return dict(carry_out(step, job).summary)

    return carry


@pytest.fixture
def load(run):
    return lambda *given, **more: run(load_source.STEP, *given, **more)


def rows_of(lake, table, key):
    return {row[key]: row for row in lake.ref(table).read().collect()}


def clicks(*lines):
    return [
        {"user_id": "u", "timestamp": f"2026-06-0{day}T10:00:00Z", "event_type": "item_view",
         "item_id": item, "metadata": metadata}
        for day, item, metadata in lines
    ]  # fmt: skip


AT = 1_700_000_000
"""When files were last changed: seconds since 1970."""
EVENTS = """
consent: "assumed: contract"
historical: true
fields: [timestamp, event_type]
optional_fields: [user_id, item_id, metadata]
columns: {user_id: user_id, timestamp: timestamp, event_type: event_type, item_id: item_id,
  metadata: metadata}
"""


@pytest.mark.parametrize("events_first", [True, False])
def test_events_fill_gaps_of_the_catalogue_and_change_nothing_that_it_says(
    load, run, lake, events_first
):
    said = clicks(
        (1, "a", {"title": "Seen", "category": "Seen things", "unit_price": "9"}),
        (2, "b", {"title": "Known to events"}),
    )
    goods = [
        {"sku": "a", "name": "Mug", "price": "2.5", "labels": "red, blue", "stock": "3"},
        {"sku": "c", "name": "Cup", "department": "Tea & Cups", "labels": ["x"]},
    ]
    steps = [
        lambda: run(ingest_events.STEP, "clicks", EVENTS, said),
        lambda: load("goods", GOODS, goods),
    ]
    for step in steps if events_first else reversed(steps):
        step()
    items = rows_of(lake, "silver/items", "item_id")
    a, b, c = (items[name] for name in "abc")
    assert (a["title"], a["category"], a["price"]) == ("Mug", "seen_things", 2.5)
    assert (a["tags"], a["attributes"]) == (["red", "blue"], {"in_stock": "3"})
    assert (b["title"], b["updated_at"], b["tags"]) == ("Known to events", None, [])
    assert (c["title"], c["category"], c["tags"]) == ("Cup", "tea_cups", ["x"])
    assert (a["seen_at"]["title"], a["seen_at"]["category"] is None) == (None, False)
    # Nothing later that an event says takes the catalogue's place, and nothing empties it.
    run(ingest_events.STEP, "clicks", EVENTS, clicks((3, "a", {"title": "Other"})), name="b.jsonl")
    assert rows_of(lake, "silver/items", "item_id")["a"] == a


def test_the_latest_record_of_a_key_wins_and_nulls_take_nothing_away(load, lake):
    goods = [
        {"sku": "a", "name": "New", "changed": "2026-02-02", "stock": "1"},
        {"sku": "a", "name": "Old", "changed": "2026-02-01", "price": "1"},
        {"sku": None, "name": "nothing"},
        {"sku": "b", "name": "B", "price": "dear"},
        *({"sku": f"more{n}", "name": "x"} for n in range(6)),
    ]
    first = load("goods", GOODS, goods)
    counted = ("received", "valid", "quarantined", "duplicates", "refused", "changed")
    assert [first[name] for name in counted] == [10, 7, 2, 1, 0, 7]
    a = rows_of(lake, "silver/items", "item_id")["a"]
    assert (a["title"], a["price"], a["attributes"]) == ("New", 1.0, {"in_stock": "1"})
    assert a["updated_at"] == datetime(2026, 2, 2)

    assert load("goods", GOODS)["skipped files"] == 1
    late = [{"sku": "a", "name": None, "changed": "2026-02-03", "price": 4}]
    assert load("goods", GOODS, late, name="b.jsonl")["changed"] == 1
    older = [{"sku": "a", "name": "Oldest", "changed": "2026-01-01", "department": "Mugs"}]
    assert load("goods", GOODS, older, name="c.jsonl")["changed"] == 1
    a = rows_of(lake, "silver/items", "item_id")["a"]
    assert (a["title"], a["price"], a["category"]) == ("New", 4.0, "mugs")
    again = load("goods", GOODS, late, name="d.jsonl")
    assert (again["valid"], again["changed"]) == (1, 0)


def test_what_users_declare_is_known_of_them_and_personal_facts_are_pseudonyms(
    load, run, lake, make_job, tmp_path
):
    people = [
        {"id": "u", "born": 1990, "country": "France", "email": "anna@example.org", "plan": "gold"},
        {"id": "v", "born": "2001", "city": "Erlangen-Tennenlohe"},
        {"id": "w", "born": "long ago", "email": "karl@example.org"},
    ]
    summary = load("people", ASSUMED, people, set=["ingest.max_rejected_share=0.5"])
    assert (summary["valid"], summary["quarantined"]) == (2, 1)
    users = rows_of(lake, "silver/users", "user_id")
    assert (users["u"]["birth_year"], users["u"]["country"]) == (1990, "FR")
    assert users["u"]["attributes"]["plan"] == "gold"
    assert users["u"]["attributes"]["email"].startswith("k1:email:")
    assert users["v"]["attributes"]["city"].startswith("k1:")
    # Who declared something has a profile, with and without events.
    run(ingest_events.STEP, "clicks", EVENTS, clicks((1, "a", {})))
    job = make_job("build-profiles", as_of=datetime(2026, 7, 1))
    assert carry_out(build_profiles.STEP, job).summary["users"] == 2
    profiles = rows_of(lake, "gold/profiles", "user_id")
    assert (profiles["u"]["birth_year"], profiles["u"]["country"]) == (1990, "FR")
    assert profiles["v"]["birth_year"] == 2001
    assert profiles["u"]["attributes"]["plan"] == "gold"


def test_users_without_consent_are_refused_and_nothing_of_them_is_kept(load, lake):
    own = PEOPLE.format(consent="required", more="consent: agreed")
    people = [{"id": "u", "plan": "gold", "agreed": True}, {"id": "v", "plan": "gold"}]
    summary = load("people", own, people)
    assert (summary["valid"], summary["refused"]) == (1, 1)
    assert set(rows_of(lake, "silver/users", "user_id")) == {"u"}
    # Without a condition of its own a source is held against silver/consents: nobody agreed.
    asked = PEOPLE.format(consent="required", more="").replace(", agreed", "")
    summary = load("asked", asked, people)
    assert (summary["valid"], summary["refused"]) == (0, 2)


def test_too_many_rejected_records_change_nothing(load, lake):
    with pytest.raises(QualityGateError, match=r"2 of 2 were.*item_id is not given"):
        load("goods", GOODS, [{"sku": None, "name": "x"}, {"sku": " ", "name": "y"}])
    assert not lake.ref("silver/items").exists()


def test_each_command_names_the_one_that_takes_the_other_kind(load, run):
    with pytest.raises(UsageError, match="sparkperso load-source --source goods"):
        run(ingest_events.STEP, "goods", GOODS, [])
    with pytest.raises(UsageError, match="sparkperso ingest-events --source clicks"):
        load("clicks", EVENTS, [])


def test_a_run_takes_sources_one_after_the_other_each_by_its_kind(make_job, tmp_path):
    folder = tmp_path / "conf" / "sources"
    folder.mkdir(parents=True)
    for name, text in (("goods", GOODS), ("people", ASSUMED), ("clicks", EVENTS)):
        (folder / f"{name}.yaml").write_text(text)
    steps = (ingest_events.STEP, build_profiles.STEP)
    job = make_job("run", source=("goods", "people", "clicks"), path=None)
    job.conf_dir = tmp_path / "conf"
    tasks = with_sources(job, steps)
    assert [name for name, _, _ in tasks] == [
        *("load-source goods", "load-source people", "ingest-events clicks", "build-profiles"),
    ]
    assert [options.get("source") for _, _, options in tasks[:3]] == ["goods", "people", "clicks"]
    job.options = {"source": ("clicks",), "path": "x"}
    [(name, step, options), _] = with_sources(job, steps)
    assert (name, step.name, options) == (
        "ingest-events", "ingest-events", {"source": "clicks", "path": "x"},
    )  # fmt: skip
    job.options = {"source": ("clicks", "goods"), "path": "x"}
    with pytest.raises(UsageError, match="--path says where one source"):
        with_sources(job, steps)
