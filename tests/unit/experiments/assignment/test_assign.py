"""Assignment: vectors of GrowthBook's clients, stickiness, uniform buckets, independent layers."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency
from tests.experiments import NOW, UNITS, experiment, facts_of, layer_parts, many_ids, shares

from sparkperso.core.hashing import BUCKETS, layer_share, share_of
from sparkperso.decisions.facts import Facts
from sparkperso.experiments.assignment.assign import Split, Units, place_of

MILLION = 1_000_000
IDS = [f"u{number}" for number in range(3_000)]


def given(one, user="u1", **fields):
    facts, units = facts_of(user, **fields)
    return Split(one).assign(facts, units)


def test_the_hash_of_many_is_the_hash_of_each():
    ids = many_ids(2_000)
    assert list(shares("hero", ids) / BUCKETS) == [share_of("hero", one) for one in ids]
    assert list(layer_parts("home", ids) / 1000) == [layer_share("home", one) for one in ids]


@pytest.mark.parametrize("seed", ["hero", "checkout:2", "a"])
def test_buckets_are_uniform_over_a_million_ids(seed):
    counts = np.bincount(shares(seed, many_ids(MILLION)), minlength=BUCKETS)
    expected = MILLION / BUCKETS
    statistic = ((counts - expected) ** 2 / expected).sum()
    # Both ends: a hash that spreads ids too evenly would be no better than one that clusters them.
    assert 1e-4 < chi2.sf(statistic, BUCKETS - 1) < 1 - 1e-4


def test_experiments_and_layers_are_independent_of_each_other():
    ids = many_ids(MILLION)
    places = [
        shares("hero", ids) * 4 // BUCKETS,
        shares("footer", ids) * 4 // BUCKETS,
        layer_parts("home", ids) * 4 // 1000,
        layer_parts("search", ids) * 4 // 1000,
    ]
    for one in range(4):
        for other in range(one):
            table = np.bincount(places[one] * 4 + places[other], minlength=16).reshape(4, 4)
            assert chi2_contingency(table).pvalue > 1e-4


def test_a_unit_keeps_its_variant_whatever_else_is_asked():
    one = experiment(variants={"a": 1, "b": 2, "c": 1})
    first = {user: given(one, user).variant for user in IDS}
    later = {user: given(one, user, context={"page": "/x"}).variant for user in reversed(IDS)}
    assert first == later
    counts = Counter(first.values())
    assert counts["b"] / len(IDS) == pytest.approx(0.5, abs=0.03)


def test_growing_coverage_and_layers_move_nobody():
    steps = [
        experiment(coverage=share, layer={"name": "home", "range": [0.2, end]})
        for share, end in ((0.1, 0.4), (0.5, 0.4), (0.5, 0.9), (1.0, 1.0))
    ]
    for user in IDS:
        places = [place_of(one, user) for one in steps]
        for before, after in pairwise(places):
            assert before in (None, after)


def test_parts_of_a_layer_share_no_unit_and_leave_none_out():
    parts = [
        experiment(n, layer={"name": "home", "range": r})
        for n, r in (("x", (0, 0.3)), ("y", (0.3, 1)))
    ]
    inside = [[place_of(one, user) is not None for one in parts] for user in IDS]
    assert all(sum(each) == 1 for each in inside)


def test_a_new_version_deals_out_anew():
    one, two = experiment(version=1), experiment(version=2)
    both = Counter((place_of(one, user), place_of(two, user)) for user in IDS)
    assert all(count / len(IDS) == pytest.approx(0.25, abs=0.03) for count in both.values())


def test_a_tester_sees_the_variant_and_is_not_counted():
    one = experiment(overrides={"tester": "b"}, coverage=0.01, where={"segment": "vip"})
    found = given(one, "tester")
    assert (found.variant, found.reason) == ("b", "tester")
    assert found.is_shown
    assert not found.is_counted


@pytest.mark.parametrize(
    ("one", "fields", "reason"),
    [
        (experiment(), {"may_personalise": False}, "no_consent"),
        (experiment(status="stopped"), {}, "not_running"),
        (experiment(start="2026-12-11"), {}, "not_running"),
        (experiment(end="2026-12-10"), {}, "not_running"),
        (experiment(where={"segment": "vip"}), {}, "not_targeted"),
        (experiment(layer={"name": "home", "range": [0, 0.001]}), {}, "other_layer"),
        (experiment(coverage=0.0002), {}, "not_covered"),
        (experiment(where={"segment": "vip"}), {"segments": frozenset({"vip"})}, "split"),
    ],
)
def test_whoever_is_not_in_it_gets_the_baseline_with_the_reason(one, fields, reason):
    found = given(one, "u2", **fields)
    assert found.reason == reason
    assert found.is_counted is (reason == "split")
    if reason != "split":
        assert (found.variant, found.propensity) == ("a", 1.0)


def test_each_unit_goes_by_its_own_id():
    facts = Facts(NOW, may_personalise=True)
    by_user, by_browser = Split(experiment()), Split(experiment(unit="anonymous_id"))
    units = Units("u1", "browser-1")
    assert by_user.assign(facts, units) is by_user.assign(facts, Units("u1", None))
    assert by_browser.assign(facts, units) is by_browser.assign(facts, Units(None, "browser-1"))
    assert by_user.assign(facts, Units(None, "browser-1")).reason == "no_unit"
    assert by_browser.assign(facts, Units("u1", None)).reason == "no_unit"


def test_a_propensity_is_the_share_of_those_who_are_in_it():
    one = experiment(variants={"a": 1, "b": 3}, coverage=0.5)
    counts = Counter(found.variant for user in IDS if (found := given(one, user)).is_counted)
    for name, propensity in (("a", 0.25), ("b", 0.75)):
        assert counts[name] / counts.total() == pytest.approx(propensity, abs=0.03)
    assert {f.propensity for u in IDS if (f := given(one, u)).variant == "b"} == {0.75}


def test_a_value_is_the_payload_or_the_name():
    assert given(experiment(), "u1").value in ("a", "b")
    one = experiment(variants={"a": {"payload": False}, "b": {"payload": True}})
    assert {given(one, user).value for user in IDS[:20]} == {False, True}


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit])
def test_any_text_is_an_id(unit):
    assert given(experiment(), unit).is_counted
