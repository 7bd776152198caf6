"""What may stand in a rule, and what is refused with the column named."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sparkperso.config import load_named
from sparkperso.config.segmentation import RuleSegmentation, load_segmentation
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.columns import NUMERIC_FEATURES
from sparkperso.core.errors import ConfigError
from sparkperso.rules.attributes import ATTRIBUTES, invalid_references
from sparkperso.rules.traverse import order_of
from sparkperso.testing.rules import CONDITION

BOUGHT = {"count": {"event_type": "purchase"}, "at_least": 1}


def segmentation(**rules):
    segments = {key: {"when": when} for key, when in rules.items()}
    return RuleSegmentation.model_validate({"name": "test", "segments": segments})


@pytest.mark.parametrize(
    ("when", "named"),
    [
        ({"attribute": "agee", "at_least": 3}, r"no column 'agee'.*did you mean 'age'"),
        ({"attribute": "age", "one_of": "young"}, "column 'age' is a number"),
        ({"attribute": "country", "at_least": 3}, "column 'country' is text"),
        ({"all": [BOUGHT, {"not": {"attribute": "agee", "exists": True}}]}, "'agee'"),
        ({"segment": "b"}, "refers to 'b', which is not there"),
        ({"segment": "a"}, "cycle: a → a"),
        ({**BOUGHT, "within_days": 0}, "within_days"),
        ({**BOUGHT, "within_days": -1}, "within_days"),
        ({"count": {"event_type": "purchase"}}, "give one of at_least"),
        ({"count": {"event_tipe": "purchase"}, "at_least": 1}, "event_tipe"),
        ({"attribute": "age"}, "give one of"),
        ({"attribute": "age", "between": [34, 25]}, "from low to high"),
        ({"attribute": "age", "at_least": 3, "one_of": "x"}, "do not mix"),
        ({"all": []}, "all"),
        ({**BOUGHT, "visits": {}}, "exactly one of"),
        ({"whatever": 1}, "exactly one of"),
        ({"uses": []}, "uses"),
    ],
)
def test_what_nobody_could_be_asked_is_refused_with_its_name(when, named):
    with pytest.raises(ValidationError, match=named):
        segmentation(a=when)


def test_a_window_in_which_nothing_could_be_known_is_refused():
    missed = {"first": {"event_type": "item_view"}, "then": {"event_type": "purchase"}}
    wanted = {"sequence": {**missed, "within_days": 3, "happens": False, "in_last_days": 3}}
    with pytest.raises(ValidationError, match="the window is empty"):
        segmentation(a=wanted)
    segmentation(a={"sequence": {**missed, "within_days": 3, "in_last_days": 3}})


def test_a_longer_cycle_is_spelt_out():
    with pytest.raises(ValidationError, match="b → c → b"):
        segmentation(a={"segment": "b"}, b={"segment": "c"}, c={"not": {"segment": "b"}})


def test_rules_come_after_those_they_name():
    rules = {"a": {"segment": "c"}, "b": BOUGHT, "c": {"not": {"segment": "b"}}}
    parsed = {key: CONDITION.validate_python(when) for key, when in rules.items()}
    assert order_of(parsed) == ["b", "c", "a"]


def test_event_types_of_no_plan_are_faults():
    wrong = CONDITION.validate_python({"count": {"event_type": "purchaze"}, "at_least": 1})
    assert invalid_references(wrong, ["purchase"]) == [
        "event type 'purchaze' is in no tracking plan (did you mean 'purchase'?)"
    ]
    assert invalid_references(wrong) == []


def test_new_is_a_segment_like_the_others():
    plan = RuleSegmentation.model_validate(
        {"name": "test", "min_events": 3, "segments": {"a": {"when": BOUGHT}}}
    )
    assert list(plan.rules) == ["a", "new"]
    with pytest.raises(ValidationError, match="segment of min_events"):
        RuleSegmentation.model_validate(
            {"name": "test", "min_events": 3, "segments": {"new": {"when": BOUGHT}}}
        )


def test_what_ships_can_be_asked():
    plan = load_segmentation("audiences")
    types = load_named("tracking_plans", "default", TrackingPlan).event_types
    assert {"active-mobile-25-34", "high-value-buyers", "new"} <= set(plan.rules)
    assert [
        fault for rule in plan.rules.values() for fault in invalid_references(rule.when, types)
    ] == []
    assert set(plan.profiled) <= set(ATTRIBUTES)
    assert set(NUMERIC_FEATURES) <= set(ATTRIBUTES)
    groups = load_segmentation("groups")
    assert groups.levels == (3, 8)
    assert set(groups.naming.features) == set(groups.profiled)


def test_a_broken_file_is_one_clear_paragraph(tmp_path):
    (tmp_path / "segments").mkdir()
    text = "kind: rules\nsegments:\n  old: {when: {attribute: agee, above: 60}}\n"
    (tmp_path / "segments" / "people.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"people\.yaml.*old: no column 'agee'"):
        load_segmentation("people", tmp_path)
