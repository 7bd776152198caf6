"""Country, year of birth and age of a person are the same for rules, models, lists and profiles."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.recommend.arrays.attributes import age_of, countries_of
from sparkperso.recommend.data.user_histories import UserAttributes
from sparkperso.segments.rules.attributes import attributes
from sparkperso.testing.frames import events_frame
from sparkperso.users.facts import age_reached
from sparkperso.users.persons import Persons, age_at
from sparkperso.users.profiles import profile_people

AS_OF = datetime(2026, 6, 30, tzinfo=timezone.utc)
START = AS_OF - timedelta(days=100)
ALIASES = {"UK": "GB"}
DECLARED = "user_id string, birth_year int, country string, attributes map<string,string>"
WANTED = ["age", "birth_year", "country"]


def seen(user, country, day=1):
    return {"user_id": user, "country": country, "timestamp": START + timedelta(days=day)}


def identify(user, traits, day=1, nested=False, **metadata):
    """What a person said: beside other metadata, or in an object as clients of Segment send it."""
    told = {"traits": json.dumps(traits)} if nested else traits
    metadata = metadata | {name: str(value) for name, value in told.items()}
    at = {"timestamp": START + timedelta(days=day)}
    return {"user_id": user, "event_type": "identify", "metadata": metadata, **at}


def by_rules(persons, users, as_of=AS_OF):
    """User → (age, birth_year, country), as rules see them."""
    rows = attributes(users, persons, WANTED, as_of).collect()
    return {row.user_id: (row.age, row.birth_year, row.country) for row in rows}


@pytest.fixture(scope="module")
def facts(spark):
    """Returns facts(events, declared rows): user → (birth_year, country) as of AS_OF."""

    def run(events, declared=(), as_of=AS_OF):
        users = spark.createDataFrame(list(declared), DECLARED) if declared else None
        found = Persons(events_frame(spark, events), users, ALIASES).facts(as_of).collect()
        return {row.user_id: (row.birth_year, row.country) for row in found}

    return run


def test_facts_as_of_several_times_are_those_of_each(spark, facts):
    events = [
        {"user_id": "u", "event_type": "item_view", "country": "GB", "timestamp": START},
        identify("u", {"country": "France", "birth_year": "1990"}, 3),
        identify("u", {"country": "Narnia", "birth_year": "1991"}, 6),
        identify("v", {"birth_year": "1980"}, 5),
        {"user_id": "v", "country": "IE", "timestamp": START + timedelta(days=8)},
    ]
    times = [START + timedelta(days=day) for day in (1, 4, 5, 9)]
    rows = Persons(events_frame(spark, events), None, ALIASES).facts_at(times).collect()
    found = {row.user_id: row for row in rows}
    for n, as_of in enumerate(times):
        expected = facts(events, as_of=as_of)
        for user, row in found.items():
            beside = (row[f"birth_year_{n}"], row[f"country_{n}"])
            assert beside == expected.get(user, (None, None))
    assert facts(events, as_of=times[1])["u"] == (1990, "FR")


def test_rules_lists_and_profiles_know_the_same_of_everybody(spark):
    chance = random.Random(3)
    places = ["GB", "UK", "United Kingdom", "france", "Narnia", "", None]
    years = ["2008", "1999", "1999.0", "1", "2027", "soon", None]
    events, declared = [], []
    for number in range(60):
        user = f"u{number:02}"
        events += [seen(user, chance.choice(["GB", "DE", None]), d) for d in range(3)]
        for day in range(chance.randrange(3)):
            said = {"country": chance.choice(places), "birth_year": chance.choice(years)}
            given = {name: value for name, value in said.items() if value is not None}
            events.append(identify(user, given, day, nested=chance.random() < 0.5))
        if chance.random() < 0.3:
            row = (user, chance.choice([1990, 3, None]), chance.choice(places), {"tier": "gold"})
            declared.append(row)
    persons = Persons(
        events_frame(spark, events).cache(), spark.createDataFrame(declared, DECLARED), ALIASES
    )
    users = persons.events.select("user_id").distinct().cache()
    ruled = by_rules(persons, users)
    told = {row.user_id: row.attributes for row in UserAttributes(persons).at(AS_OF).collect()}
    states = spark.createDataFrame(
        [], "subject_id string, consents map<string,boolean>, withdrawn_at timestamp"
    )
    members = spark.createDataFrame([], "user_id string, segmentation string, segment_id string")
    rows = profile_people(users, persons, states, members, AS_OF).collect()
    profiles = {row.user_id: (row.birth_year, row.country) for row in rows}
    assert len(ruled) == 60
    for user, (age, year, country) in ruled.items():
        tokens = told.get(user, [])
        assert age_of(tokens, AS_OF.year) == (-1 if age is None else age), user
        assert countries_of(tokens) == ({country} if country else set()), user
        assert profiles[user] == (year, country)
    assert {country for *_, country in ruled.values()} == {"GB", "FR", "DE", None}
    assert {year for _, year, _ in ruled.values()} == {2008, 1999, 1990, None}


def test_an_age_is_never_more_than_the_birthday_allows(spark):
    for year in range(1990, 2027):
        for day in (datetime(2026, 1, 1), datetime(2026, 12, 30)):
            whole = (day - datetime(year, 12, 31)).days // 365.25
            assert age_reached(year, 2026) <= max(whole, 0)
    rows = spark.createDataFrame([(2008,), (2026,), (None,)], "y int")
    assert [row[0] for row in rows.select(age_at(rows.y, AS_OF)).collect()] == [17, 0, None]
    late = datetime(2025, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))
    assert rows.select(age_at(rows.y, late)).first()[0] == 17, "it is 2026 by UTC"


def test_traits_are_found_at_the_top_and_nested_alike(spark):
    """Ten of twenty people were found while rules looked at the top alone."""
    events = [
        identify(f"u{n:02}", {"plan": "pro", "country": "uk", "birth_year": 1990}, nested=n % 2)
        for n in range(20)
    ]
    persons = Persons(events_frame(spark, events), aliases=ALIASES)
    found = persons.traits(["plan"], AS_OF).collect()
    assert {row.user_id: row.traits for row in found} == {
        f"u{n:02}": {"plan": "pro"} for n in range(20)
    }
    users = persons.events.select("user_id")
    assert set(by_rules(persons, users).values()) == {(35, 1990, "GB")}


def test_of_one_event_the_top_outweighs_what_is_nested(facts):
    both = identify("u", {"traits": json.dumps({"country": "FR"}), "country": "DE"})
    assert facts([both]) == {"u": (None, "DE")}
    camel = identify("u", {"countryCode": "uk", "birthYear": 1980, "year of birth": "soon"})
    assert facts([camel]) == {"u": (1980, "GB")}
    broken = identify("u", {"traits": "{not json", "country": "DE"})
    assert facts([broken]) == {"u": (None, "DE")}


def test_declared_outweighs_said_and_said_outweighs_seen(facts):
    events = [seen("a", "DE"), seen("b", "DE"), seen("c", "DE")]
    events += [identify(u, {"country": "France", "birth_year": 1980}) for u in "ab"]
    found = facts(events, [("a", 1970, "Eire", None), ("d", None, "UK", None)])
    assert found == {"a": (1970, "FR"), "b": (1980, "FR"), "c": (None, "DE"), "d": (None, "GB")}


def test_a_country_that_is_said_is_a_code_or_gives_way_to_events(facts):
    said = ["United Kingdom", "uk", " GB ", "GBR", "Narnia", ""]
    events = [e for n, s in enumerate(said) for e in (seen(n, "DE"), identify(n, {"country": s}))]
    found = facts([{**event, "user_id": f"u{event['user_id']}"} for event in events])
    assert [found[f"u{n}"][1] for n in range(len(said))] == ["GB", "GB", "GB", "GB", "DE", "DE"]


def test_the_last_that_was_known_counts_and_nothing_later(facts):
    events = [seen("a", "FR", 1), seen("a", "GB", 5), seen("a", "DE", 200), seen(None, "US", 3)]
    events += [identify("b", {"birth_year": year}, day) for day, year in ((1, 1980), (3, 1981))]
    events.append(identify("b", {"birth_year": 2081}, 4))
    assert facts(events) == {"a": (None, "GB"), "b": (1981, None)}
    assert facts(events, as_of=START + timedelta(days=2)) == {"a": (None, "FR"), "b": (1980, None)}


def test_what_models_know_of_users_is_of_the_time_of_the_cut(spark):
    events = events_frame(spark, [seen("a", "FR", 1), seen("a", "GB", 5)])
    declared = [("c", 1990, None, {"plan": "pro", "country": "XX", "born": "1800", "none": None})]
    known = UserAttributes(Persons(events, spark.createDataFrame(declared, DECLARED)))
    of_c = ["birth_year=1990", "born=1990", "plan=pro"]

    def at(day):
        return {r.user_id: r.attributes for r in known.at(START + timedelta(days=day)).collect()}

    assert at(0) == {"c": of_c}
    assert at(2) == {"a": ["country=FR"], "c": of_c}
    assert at(9) == {"a": ["country=GB"], "c": of_c}
