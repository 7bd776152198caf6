"""Values of rules are those that ingest writes; what cannot occur is named."""

from __future__ import annotations

import re
import shutil

import pytest
import yaml
from tests.conftest import ROOT

from sparkperso.config import load_settings
from sparkperso.config.segmentation import RuleSegmentation, load_segmentation
from sparkperso.core.errors import ConfigError
from sparkperso.core.spellings import snake_case
from sparkperso.jobs.build_segments.job import load_plans
from sparkperso.pipeline.job import Job
from sparkperso.rules.spelling import speller
from sparkperso.testing.rules import AS_OF, CONDITION

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
        (counted(channel="mobil"), r"no channel 'mobil' \(did you mean 'mobile'"),
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
        ("घर की सजावट", "घर_की_सजावट"),
        ("!", ""),
    ],
)
def test_categories_have_one_spelling(text, expected):
    assert snake_case(text) == expected


RULES = """
kind: rules
segments:
  british:
    when: {all: [{attribute: country, one_of: UK}, {count: {channel: Mobile}, at_least: 1}]}
  decorators:
    when: {count: {metadata: {category: Home Decor}}, at_least: 1}
"""


def loaded(tmp_path, text):
    """Returns the plans as a job reads them, and what it says."""
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments" / "own.yaml").write_text(text)
    shutil.copytree(ROOT / "conf" / "tracking_plans", tmp_path / "tracking_plans")
    settings, lines = load_settings(assignments=["segments.segmentations=[own]"]), []
    job = Job("build-segments", settings, None, {}, tmp_path, AS_OF, lines.append)
    return load_plans(job), lines


def test_the_job_spells_rules_and_says_so(tmp_path):
    (plan,), lines = loaded(tmp_path, RULES)
    wanted = RULES.replace("UK", "GB").replace("Mobile", "mobile")
    own = yaml.safe_load(wanted.replace("Home Decor", "home_decor"))
    assert plan == RuleSegmentation.model_validate({"name": "own", **own})
    assert lines == [
        "conf/segments/own.yaml, british: country 'UK' is read as 'GB'",
        "conf/segments/own.yaml, british: channel 'Mobile' is read as 'mobile'",
        "conf/segments/own.yaml, decorators: category 'Home Decor' is read as 'home_decor'",
    ]


def test_the_job_refuses_what_can_never_occur(tmp_path):
    text = RULES.replace("Mobile", "app").replace("UK", "Narnia")
    with pytest.raises(
        ConfigError, match=r"british: no country 'Narnia'.*british: no channel 'app'"
    ):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("trait", "compared", "is_told"),
    [
        ("plan", {"one_of": "pro"}, False),
        ("hobby", {"one_of": "golf"}, True),
        ("first_name", {"none_of": "Ann"}, True),
        ("score2", {"at_least": 3}, False),
        ("shoe_width", {"at_least": 3}, True),
        ("hobby", {"exists": True}, False),
        ("is_vip", {"one_of": "true"}, False),
    ],
)
def test_a_trait_of_which_silver_holds_pseudonyms_is_told(tmp_path, trait, compared, is_told):
    when = {"not": {"attribute": f"traits.{trait}", **compared}}
    _, lines = loaded(
        tmp_path, yaml.safe_dump({"kind": "rules", "segments": {"a": {"when": when}}})
    )
    assert [f"a: trait '{trait}' becomes a pseudonym" in line for line in lines] == [True] * is_told
