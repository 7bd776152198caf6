"""`rules test` beside what the run has written: the same people, attributes and lists."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sparkperso.cli.main import cli
from sparkperso.cli.rules.person import read_person
from sparkperso.config import load_settings
from sparkperso.platform.lake import Lake
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.rules.attributes import ATTRIBUTES
from sparkperso.segments.rules.attributes import attributes
from sparkperso.users.persons import Persons

VIP = "audiences-high-value-buyers"


@pytest.fixture(scope="module")
def lake(pipeline):
    return LakeReader(load_settings(lake=str(pipeline.root)).lake)


def seen(pipeline, user_id):
    words = ["rules", "test", "--user", user_id, "--json", "--lake", str(pipeline.root)]
    answer = CliRunner().invoke(cli, words)
    assert answer.exception is None, answer.exception
    return json.loads(answer.output)


def test_two_customers_see_different_modules(pipeline, lake):
    (member, *_) = lake.select("gold/segments", f"segment_id = '{VIP}'", 1)
    member = member["user_id"]
    is_other = f"segment_id = 'audiences-lapsing' AND user_id <> '{member}'"
    other = lake.select("gold/segments", is_other, 1)[0]["user_id"]
    one, another = seen(pipeline, member), seen(pipeline, other)
    assert one["slots"]["hero"]["content_id"] == "exclusive-offers"
    assert one["slots"]["hero"]["rule"] == "high-value-hero"
    assert another["slots"]["hero"]["content_id"] == "we-miss-you"
    # The sample is too small for a champion: lists may be what is popular, for both.
    assert all(shown["slots"]["picks"]["items"] for shown in (one, another))


def test_a_person_without_spark_has_the_attributes_that_segments_go_by(spark, pipeline, lake):
    tables = Lake(spark, load_settings(lake=str(pipeline.root)).lake)
    profiles = {row["user_id"]: row for row in lake.select("gold/profiles", limit=100_000)}
    as_of = next(iter(profiles.values()))["as_of"]
    features = tables.ref("gold/user_features").read().where(f"as_of = '{as_of.isoformat()}'")
    events = tables.ref("silver/events").read()
    rows = attributes(features, Persons(events), [*ATTRIBUTES], as_of).orderBy("user_id").limit(40)
    expected = [row.asDict() for row in rows.collect()]
    assert len(expected) == 40
    for row in expected:
        known = read_person(lake, row["user_id"]).attributes
        asked = {name: known.get(name) for name in ATTRIBUTES}
        assert asked == {name: row[name] for name in ATTRIBUTES}
