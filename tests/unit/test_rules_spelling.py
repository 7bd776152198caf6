"""Values of rules are those that ingest writes; what cannot occur is named."""

from __future__ import annotations

import re

import pytest

from sparkperso.config.segmentation import load_segmentation
from sparkperso.rules.spelling import speller
from sparkperso.spellings import snake_case
from sparkperso.testing.rules import CONDITION

ALIASES = {"UK": "GB", "U.K.": "GB"}


def spelled(**condition):
    """Returns a condition as ingest spells it, what was changed, and what cannot occur."""
    speaking = speller(ALIASES)
    found = speaking.condition(CONDITION.validate_python(condition))
    return found, speaking.changes, speaking.faults


def counted(**kind):
    return {"count": kind, "at_least": 1}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ({"country": ["UK", "germany", "FR"]}, {"country": ("GB", "DE", "FR")}),
        ({"country": ["U.K.", "GB"]}, {"country": ("GB",)}),
        ({"channel": "Mobile"}, {"channel": ("mobile",)}),
        ({"device_type": " Mobile "}, {"device_type": ("mobile",)}),
        ({"event_type": "Purchase"}, {"event_type": ("purchase",)}),
        (
            {"metadata": {"category": "Home Decor", "feature": "Wish List"}},
            {"metadata": {"category": ("home_decor",), "feature": ("Wish List",)}},
        ),
        ({"item_id": "AB-1", "os": "iOS", "campaign": "Spring Sale"}, {}),
    ],
)
def test_kinds_of_events_are_spelled_as_ingest_does(kind, expected):
    found, changes, faults = spelled(**counted(**kind))
    wanted = CONDITION.validate_python(counted(**{**kind, **expected}))
    assert (found, faults) == (wanted, [])
    assert bool(changes) == bool(expected)


@pytest.mark.parametrize(
    ("attribute", "given", "expected"),
    [
        ("country", "UK", "GB"),
        ("top_category", "Home Decor", "home_decor"),
        ("device_type", "Mobile", "mobile"),
        ("traits.country", "UK", "UK"),
    ],
)
@pytest.mark.parametrize("comparison", ["one_of", "none_of"])
def test_attributes_are_spelled_as_ingest_does(attribute, given, expected, comparison):
    found, changes, faults = spelled(**{"attribute": attribute, comparison: given})
    assert getattr(found, comparison) == (expected,)
    assert faults == []
    assert changes == (
        [f"{attribute} '{given}' is read as '{expected}'"] if given != expected else []
    )


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        (
            counted(channel="app"),
            r"no channel 'app' \(did you mean 'mobile'\?\): there are web, mob",
        ),
        (counted(channel="mobil"), r"no channel 'mobil' \\(did you mean 'mobile'"),
        (counted(country="Germny"), r"no country 'Germny' \(did you mean 'DE', GERMANY\?\)"),
        (counted(metadata={"category": "!?"}), "no category '!\\?'"),
        ({"attribute": "country", "none_of": "Narnia"}, "no country 'Narnia'.*country_aliases"),
        ({"attribute": "device_type", "one_of": "laptop"}, "no device_type 'laptop'.*'desktop'"),
        ({"attribute": "device_type", "one_of": "app"}, "no device_type 'app'.*'mobile'"),
        ({"not": {"all": [counted(channel="app")]}}, "no channel 'app'"),
        (
            {
                "sequence": {
                    "first": {"channel": "web"},
                    "then": {"channel": "app"},
                    "within_days": 1,
                }
            },
            "no channel 'app'",
        ),
        ({"days_since_last": {"channel": "app"}, "at_most": 3}, "no channel 'app'"),
    ],
)
def test_what_can_never_occur_is_named_wherever_it_stands(condition, named):
    _, _, (fault,) = spelled(**condition)
    assert re.search(named, fault), fault


def test_what_is_right_stays_as_it_is():
    plan = load_segmentation("audiences")
    for rule in plan.rules.values():
        speaking = speller({})
        assert speaking.condition(rule.when) == rule.when
        assert (speaking.changes, speaking.faults) == ([], [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Home Decor", "home_decor"),
        ("  A--b!", "a_b"),
        ("Größe/Ö", "größe_ö"),
        ("文具 1", "文具_1"),
        ("!", ""),
    ],
)
def test_categories_have_one_spelling(text, expected):
    assert snake_case(text) == expected
