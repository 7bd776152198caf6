"""When an event may be kept: a table of all cases, and the laws behind it."""

from itertools import product

import pytest

from sparkperso.config import load_settings
from sparkperso.config.consent import ConsentConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.consent import OPTIONAL, PURPOSES, Decision, decision_of, is_allowed
from sparkperso.privacy.kinds import kind_of

BASES, REGIMES = ("required", "assumed: contract"), ("opt_in", "opt_out")
DECISIONS, SIGNALS = (True, False, None), (True, False)
EVERYTHING = list(product(OPTIONAL, BASES, REGIMES, DECISIONS, SIGNALS))

YES, NO = (Decision(given, "2026-06-01T10:00:00.000000Z") for given in (True, False))
LATER_YES, LATER_NO = (Decision(given, "2026-06-02T10:00:00.000000Z") for given in (True, False))


@pytest.mark.parametrize("rest", list(product(BASES, REGIMES, DECISIONS, SIGNALS)))
def test_what_is_necessary_needs_no_consent(rest):
    assert is_allowed("necessary", *rest)


def test_a_no_always_holds():
    cases = [case for case in EVERYTHING if case[3] is False]
    assert not any(is_allowed(*case) for case in cases)


def test_the_browsers_signal_is_a_no_in_opt_out_regions():
    cases = [case for case in EVERYTHING if case[2] == "opt_out" and case[4]]
    assert not any(is_allowed(*case) for case in cases)


def test_where_consent_is_required_and_opt_in_holds_only_a_yes_will_do():
    cases = [case for case in EVERYTHING if case[1:3] == ("required", "opt_in")]
    assert all(is_allowed(*case) == (case[3] is True) for case in cases)


def test_more_agreement_never_takes_an_event_away():
    order = {False: 0, None: 1, True: 2}
    for purpose, basis, regime, signal in product(OPTIONAL, BASES, REGIMES, SIGNALS):
        said = sorted(DECISIONS, key=order.__getitem__)
        allowed = [is_allowed(purpose, basis, regime, decision, signal) for decision in said]
        assert allowed == sorted(allowed)


@pytest.mark.parametrize(
    ("basis", "regime", "decision", "opted_out", "allowed"),
    [
        ("required", "opt_in", True, True, True),
        ("required", "opt_out", None, False, True),
        ("assumed: contract", "opt_in", None, False, True),
        ("assumed: contract", "opt_in", None, True, True),
    ],
)
def test_examples(basis, regime, decision, opted_out, allowed):
    assert is_allowed("analytics", basis, regime, decision, opted_out) is allowed


@pytest.mark.parametrize(
    ("states", "decision"),
    [
        ((None, None), None),
        ((YES, None), True),
        ((None, YES), True),
        ((NO, None), False),
        ((YES, NO), False),
        ((YES, LATER_NO), False),
        ((LATER_YES, NO), False),
        ((LATER_NO, YES), False),
        ((NO, YES), False),
        ((NO, LATER_YES), True),
    ],
)
def test_a_no_of_any_identifier_outweighs_a_yes_but_for_a_browsers_newer_one(states, decision):
    user, browser = ({"analytics": one} if one else {} for one in states)
    assert decision_of(user, browser, "analytics") is decision
    assert decision_of(user, browser, "marketing") is None


@pytest.mark.parametrize(
    ("region", "regime"),
    [
        ("DE", "opt_in"),
        ("US", "opt_out"),
        ("US-CA", "opt_in"),
        ("US-NY", "opt_out"),
        ("ZZ", "opt_in"),
        (None, "opt_in"),
    ],
)
def test_the_part_of_a_country_goes_before_the_whole(region, regime):
    config = ConsentConfig(opt_in_regions=("DE", "US-CA"), opt_out_regions=("US",))
    assert config.regime_of(region) == regime


def test_regions_are_codes():
    with pytest.raises(ValueError, match="Germany"):
        ConsentConfig(opt_in_regions=("Germany",))


def test_the_shipped_policy_explains_every_purpose_and_knows_both_laws():
    config = load_settings().consent
    assert list(config.purposes) == list(PURPOSES)
    assert all(config.purposes.values())
    assert {config.regime_of(region) for region in ("FR", "NO", "GB")} == {"opt_in"}
    assert config.regime_of("US") == "opt_out"


def test_a_plan_names_purposes_and_personal_fields():
    plan = TrackingPlan.model_validate(
        {
            "name": "p",
            "personal": ["metadata.email"],
            "event_types": {
                "click": {},
                "consent": {"purpose": "necessary"},
                "identify": {"personal": ["metadata.address", "metadata.traits.phone"]},
            },
        }
    )
    assert plan.purpose_of("click") == plan.purpose_of("unheard of") == "analytics"
    assert plan.purpose_of("consent") == "necessary"
    assert plan.personal_of("identify") == (
        "metadata.email",
        "metadata.address",
        "metadata.traits.phone",
    )
    assert plan.personal_of("click") == plan.personal_of("unheard of") == ("metadata.email",)


@pytest.mark.parametrize("field", ["event_type", "timestamp", "value", "nothing", "metadata"])
def test_a_plan_refuses_fields_that_no_pseudonym_can_stand_in(field):
    with pytest.raises(ValueError, match="no fields that a pseudonym can stand in"):
        TrackingPlan.model_validate({"name": "p", "event_types": {"a": {"personal": [field]}}})


def test_a_person_is_personal_in_all_types_or_in_none():
    with pytest.raises(ValueError, match="click alone"):
        TrackingPlan.model_validate(
            {"name": "p", "event_types": {"click": {"personal": ["user_id"]}}}
        )


def test_what_an_alias_joins_is_as_personal_as_its_user():
    plan = TrackingPlan.model_validate(
        {"name": "p", "personal": ["user_id"], "event_types": {"alias": {}}}
    )
    assert plan.personal_of("alias") == ("user_id", "metadata.previous_id")
    assert kind_of("user_id", "7") == kind_of("metadata.previous_id", "7")
