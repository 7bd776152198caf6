"""Conditions on requests: what they mean, what is refused, and what follows from their form."""

from __future__ import annotations

import random
from datetime import datetime, timezone

import pytest
from pydantic import ValidationError

from sparkperso.config.segmentation import RuleSegmentation
from sparkperso.rules.context import invalid_at_request, is_personal
from sparkperso.rules.evaluate import holds
from sparkperso.rules.implication import (
    excludes,
    implies,
    is_impossible,
    needed_subjects,
    subjects,
)
from sparkperso.testing.rules import (
    AS_OF,
    CONDITION,
    random_context,
    random_profile,
    random_request_rule,
)

FRIDAY = datetime(2026, 7, 3, 22, 30, tzinfo=timezone.utc)


def condition(**fields):
    return CONDITION.validate_python(fields)


def holds_for(when, context, at=FRIDAY, profile=()):
    return holds(when, dict(profile), (), at, {}, context=context)


@pytest.mark.parametrize(
    ("fields", "context", "expected"),
    [
        ({"context": "page", "begins_with": "/sale"}, {"page": "/sale/lamps"}, True),
        ({"context": "page", "begins_with": "/sale"}, {"page": "/"}, False),
        ({"context": "page", "begins_with": "/sale"}, {}, False),
        ({"context": "cart", "one_of": ["a", "b"]}, {"cart": ("x", "b")}, True),
        ({"context": "cart", "none_of": ["a", "b"]}, {"cart": ("x", "b")}, False),
        ({"context": "cart", "none_of": ["a", "b"]}, {}, True),
        ({"context": "cart", "exists": True}, {"cart": ()}, False),
        ({"context": "cart_size", "at_least": 2}, {"cart": ("x", "b")}, True),
        ({"context": "cart_size", "at_most": 0}, {}, True),
        ({"context": "language", "one_of": "de"}, {"language": ("de-at", "de")}, True),
        ({"context": "hour", "at_least": 22.5, "below": 23}, {}, True),
        ({"context": "hour", "at_least": 22.5, "zone": "Europe/London"}, {}, True),
        ({"context": "hour", "below": 1, "zone": "Europe/Berlin"}, {}, True),
        ({"context": "weekday", "one_of": "fri"}, {}, True),
        ({"context": "weekday", "one_of": "sat", "zone": "Europe/Berlin"}, {}, True),
    ],
)
def test_what_fields_mean(fields, context, expected):
    assert holds_for(condition(**fields), context) is expected


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"context": "devise_type", "one_of": "x"}, "did you mean 'device_type'"),
        ({"context": "page", "at_least": 1}, "'page' is text"),
        ({"context": "n", "one_of": "1"}, "'n' is a number"),
        ({"context": "page", "exists": True, "zone": "UTC"}, "'page' has no time zone"),
        ({"attribute": "agee", "exists": True}, "did you mean 'age'"),
        ({"attribute": "traits.plan", "one_of": "pro"}, "make a segment of it"),
        ({"count": {"event_type": "purchase"}, "at_least": 1}, "'count' is of events"),
        ({"not": {"uses": "wishlist"}}, "'uses' is of events"),
    ],
)
def test_what_no_request_could_be_asked_is_said(fields, says):
    (fault,) = invalid_at_request(condition(**fields))
    assert says in fault


def test_own_features_can_be_asked_for():
    when = condition(attribute="gift_share", at_least=0.5)
    assert invalid_at_request(when, ["gift_share"]) == []
    assert len(invalid_at_request(when)) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"context": "hour", "at_least": 1, "zone": "Europe/Lond"}, "IANA"),
        ({"context": "hour"}, "give one of .*begins_with"),
        ({"context": "page", "one_of": "x", "exists": True}, "do not mix"),
    ],
)
def test_what_is_no_condition_is_refused(fields, says):
    with pytest.raises(ValidationError, match=says):
        condition(**fields)


def test_a_segment_cannot_ask_for_a_request():
    rules = {"a": {"when": {"context": "hour", "at_least": 9}}}
    with pytest.raises(ValidationError, match="of a request, and segments are of people"):
        RuleSegmentation.model_validate({"name": "test", "segments": rules})


def test_what_was_done_before_is_personal_and_the_page_is_not():
    page = {"context": "page", "one_of": "/"}
    assert not is_personal(condition(all=[page, {"not": {"context": "cart", "exists": True}}]))
    for asked in ({"segment": "a"}, {"attribute": "age", "at_least": 1}):
        assert is_personal(condition(any=[page, asked]))
    assert is_personal(condition(context="recent", exists=True))
    assert is_personal(condition(context="recent_size", at_least=1))


def random_case(chance):
    others = {name: chance.random() < 0.5 for name in "ab"}
    profile, context = random_profile(chance), random_context(chance)
    return lambda when: holds(when, profile, (), AS_OF, others, context=context)


def test_what_follows_from_the_form_is_never_contradicted_by_facts():
    chance = random.Random(1)
    found = {"implies": 0, "excludes": 0, "impossible": 0}
    for _ in range(2_500):
        one, other = random_request_rule(chance), random_request_rule(chance)
        follows, never = implies(one, other), excludes(one, other)
        cannot = is_impossible(one)
        # So that those who compare many need not look at most.
        assert not follows or needed_subjects(other) <= subjects(one), (one, other)
        found["implies"] += follows
        found["excludes"] += never
        found["impossible"] += cannot
        for _ in range(12 if follows or never or cannot else 0):
            truth = random_case(chance)
            if truth(one):
                assert not follows or truth(other), (one, other)
                assert not never or not truth(other), (one, other)
                assert not cannot, one
    assert min(found.values()) > 20, found


def test_implication_is_reflexive_and_sees_wider_bounds_and_shorter_lists():
    chance = random.Random(2)
    for _ in range(500):
        one = random_request_rule(chance)
        assert implies(one, one), one
        assert needed_subjects(one) <= subjects(one)
    adult = condition(attribute="age", at_least=18)
    assert implies(condition(attribute="age", between=[25, 34]), adult)
    assert not implies(adult, condition(attribute="age", above=18))
    page = condition(context="page", one_of=["/sale/a", "/sale/b"])
    assert implies(page, condition(context="page", begins_with="/sale"))
    assert implies(condition(all=[page, adult]), condition(any=[adult, {"segment": "a"}]))
    assert not implies(condition(any=[page, adult]), adult)


def test_contradictions_are_seen():
    inside = {"segment": "a"}
    assert is_impossible(condition(all=[inside, {"not": inside}]))
    young, old = {"attribute": "age", "below": 18}, {"attribute": "age", "at_least": 18}
    assert is_impossible(condition(all=[young, old]))
    assert not is_impossible(condition(any=[young, old]))
    carts = [{"context": "cart", "one_of": item} for item in "ab"]
    assert not is_impossible(condition(all=carts))  # a cart may hold both
    pages = [{"context": "page", "one_of": item} for item in "ab"]
    assert is_impossible(condition(all=pages))
