"""Rules by Spark are rules by their meaning, for random rules and people."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from sparkperso.config.segmentation import RuleSegmentation
from sparkperso.config.segments import SegmentsConfig
from sparkperso.platform.run_recorder import NullRecorder
from sparkperso.rules.evaluate import holds
from sparkperso.rules.traverse import order_of
from sparkperso.schemas import TABLES
from sparkperso.segments.base.population import Population
from sparkperso.segments.live.counters import counters_of, hourly
from sparkperso.segments.live.hours import BATCH, PAST, SEED, folded, reach_of
from sparkperso.segments.live.members import matching_rules
from sparkperso.segments.live.windows import NOW
from sparkperso.segments.rules.build import build_rules
from sparkperso.segments.rules.members import People, fulfilled, known_attributes
from sparkperso.segments.rules.overlaps import Overlap, overlaps
from sparkperso.testing.frames import events_frame, table_frame
from sparkperso.testing.rules import AS_OF, CONDITION, random_events, random_rule
from sparkperso.testing.segments import require_same
from sparkperso.users.persons import Persons

USERS = [f"u{number}" for number in range(60)]
IDENTIFIED = {
    "u1": {"birth_year": "1995", "country": "FR", "plan": "pro", "score": "4"},
    "u2": {"birth_year": "old", "plan": "free", "score": "many"},
    "u3": {"birth_year": "1960", "score": "2"},
}


def profiles():
    """What is known of people: a few said who they are, and some have bought."""
    for number, user in enumerate(USERS):
        traits = IDENTIFIED.get(user, {})
        year = traits.get("birth_year", "")
        facts = {f"traits.{key}": value for key, value in traits.items()}
        age = 2026 - int(year) - 1 if year.isdigit() else None
        known = {"age": age, "country": traits.get("country"), "monetary": float(number % 20)}
        yield user, facts | known


@pytest.fixture(scope="module")
def events():
    chance = random.Random(5)
    said = [
        {
            "event_id": f"said-{user}",
            "user_id": user,
            "timestamp": AS_OF - timedelta(days=200),
            "event_type": "identify",
            "metadata": traits,
        }
        for user, traits in IDENTIFIED.items()
    ]
    random_ones = [e for u in USERS for e in random_events(chance, u, chance.randrange(25))]
    return said + random_ones


@pytest.fixture(scope="module")
def people(spark, events):
    rows = [{"user_id": u, "as_of": AS_OF, "monetary": p["monetary"]} for u, p in profiles()]
    schema = TABLES["gold/user_features"].struct()
    zero = {f.name: 0 if f.dataType.simpleString() == "bigint" else 0.0 for f in schema}
    zero |= {"category_mix": {}, "feature_use": {}, "top_category": None}
    features = table_frame(spark, "gold/user_features", rows, **zero)
    return People(features, Persons(events_frame(spark, events)), AS_OF)


def expected(rules, events):
    mine = {user: [e for e in events if e["user_id"] == user] for user in USERS}
    answers = {}
    for user, profile in profiles():
        found = {}
        for key in order_of(rules):
            found[key] = holds(rules[key], profile, mine[user], AS_OF, found)
        answers[user] = [key for key in rules if found[key]]
    return answers


def test_spark_and_plain_python_agree_on_random_rules(people, events):
    chance = random.Random(11)
    rules = {f"r{number}": random_rule(chance) for number in range(40)}
    rules["both"] = CONDITION.validate_python({"all": [{"segment": "r0"}, {"segment": "late"}]})
    rules["late"] = CONDITION.validate_python({"not": {"segment": "r1"}})
    answers = {row.user_id: row.keys for row in fulfilled(people, rules).collect()}
    assert answers == expected(rules, events)
    told = list(answers.values())
    decided = [key for key in rules if 0 < sum(key in keys for keys in told) < len(USERS)]
    assert len(decided) > 20, "the random rules tell nobody from another"


def test_counters_of_hours_give_the_same_answer(people):
    chance = random.Random(13)
    rules = {f"r{number}": random_rule(chance) for number in range(40)}
    counted = counters_of(rules.values())
    hours = hourly(people.events.where(F.col("timestamp") <= F.lit(AS_OF)), counted)
    now = F.lit(AS_OF.timestamp() * 10**6).cast("bigint")
    wanted = fulfilled(people, rules)

    def held(counters):
        asked = known_attributes(people, rules).withColumn(NOW, now)
        return matching_rules(asked, counters.withColumn(NOW, now), rules, counted)

    assert_df_equality(held(hours), wanted, ignore_row_order=True)
    seed = hours.withColumn(BATCH, F.lit(SEED))
    short = folded(seed, counted, now, reach_of(counted, late_hours=24)).localCheckpoint()
    assert 0 < short.where(F.col("visit") == PAST).count() < short.count() < seed.count()
    assert_df_equality(held(short), wanted, ignore_row_order=True)


def test_overlaps_count_people(people):
    rules = {
        "buyers": CONDITION.validate_python({"count": {"event_type": "purchase"}, "at_least": 1}),
        "nobody": CONDITION.validate_python({"attribute": "age", "above": 200}),
        "all": CONDITION.validate_python({"attribute": "monetary", "at_least": 0}),
    }
    found = {(o.first, o.second): o.size for o in overlaps(fulfilled(people, rules), list(rules))}
    assert found["all", "all"] == len(USERS)
    assert found["buyers", "all"] == found["buyers", "buyers"] > 0
    assert found["buyers", "nobody"] == found["nobody", "nobody"] == 0
    assert ("all", "buyers") not in found
    assert [Overlap("a", "b", n).shown(5) for n in (0, 4, 5, 1234)] == ["0", "<5", "5", "1,234"]


def test_spark_finds_what_is_found_in_the_driver(people):
    """Memberships of rules overlap, and some rules have nobody."""
    segments = {
        "buyers": {"when": {"count": {"event_type": "purchase"}, "at_least": 1}},
        "nobody": {"when": {"attribute": "age", "above": 200}},
        "spenders": {"when": {"attribute": "monetary", "at_least": 10}},
    }
    plan = RuleSegmentation.model_validate({"name": "test", "segments": segments})
    given = (people.features, people.features, AS_OF, len(USERS), "v1", people.persons)
    by_spark = Population(*given)
    both = [
        build_rules(population, plan, SegmentsConfig(), NullRecorder())
        for population in (by_spark, by_spark.collected(len(USERS)))
    ]
    assert [p.size for p in both[0].profiles][-1] == sum(p["monetary"] >= 10 for _, p in profiles())
    require_same(*both)


def test_all_rules_are_one_pass_over_the_events(people):
    rules = {
        f"r{number}": CONDITION.validate_python({"visits": {"event_type": t}, "at_least": 1})
        for number, t in enumerate(("purchase", "item_view", "search"))
    }
    plan = fulfilled(people, rules)
    text = plan._jdf.queryExecution().executedPlan().toString()
    assert text.count("Scan ExistingRDD[event_id") == 1
