"""What is listed as worse than the rest: nothing by chance, everything that really is."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportions_ztest

from sparkperso.jobs.refresh.suggestions import (
    Group,
    SlotRule,
    never_shown,
    one_sided_p,
    underperforming,
)

HERO = "slot hero, by rule"


def group(name, n, k, place=HERO, what="rule"):
    return Group(what, name, place, n, k)


@pytest.mark.parametrize(("n", "k", "rest_n", "rest_k"), [(500, 10, 900, 45), (300, 30, 200, 12)])
def test_p_is_that_of_statsmodels(n, k, rest_n, rest_k):
    p = proportions_ztest([k, rest_k], [n, rest_n], alternative="smaller")[1]
    assert one_sided_p(group("a", n, k), rest_n, rest_k) == pytest.approx(p, abs=1e-12)


def test_a_rule_that_is_clicked_less_than_the_rest_of_its_slot_is_listed_alone():
    groups = [group("bad", 1000, 10), group("good", 1000, 50), group("fair", 1000, 48)]
    (found,) = underperforming(groups, 0.01, 200)
    assert found.subject == "rule bad"
    assert found.found.startswith("1.00% of 1,000 in slot hero, by rule, and 4.90% of all else")
    assert "lower priority" in found.action


def test_slots_are_not_compared_with_each_other():
    low, high = "slot a, by rule", "slot b, by rule"
    groups = [group("one", 1000, 10, low), group("two", 1000, 11, low)]
    groups += [group("three", 1000, 500, high), group("four", 1000, 510, high)]
    assert underperforming(groups, 0.01, 200) == []


def test_few_showings_and_what_stands_alone_say_nothing():
    assert underperforming([group("few", 199, 0), group("many", 9000, 900)], 0.01, 200) == []
    assert underperforming([group("many", 9000, 0), group("few", 100, 90)], 0.01, 200) == []
    assert underperforming([group("alone", 9000, 0)], 0.01, 200) == []
    # Nobody clicked on anything: nothing varies.
    assert underperforming([group("a", 900, 0), group("b", 900, 0)], 0.01, 200) == []


def test_where_all_are_alike_hardly_anything_is_listed():
    chance = np.random.default_rng(5)
    n_runs = 400
    alarms = 0
    for _ in range(n_runs):
        groups = [group(str(i), 2000, chance.binomial(2000, 0.05)) for i in range(6)]
        alarms += bool(underperforming(groups, 0.05, 200))
    # At most 5 % of the runs, by Holm; three standard deviations above that.
    assert alarms <= n_runs * 0.05 + 3 * (n_runs * 0.05 * 0.95) ** 0.5


def test_segments_are_held_against_everybody_else():
    place = "click_through by behaviour"
    groups = [group("s-1", 1000, 10, place, "segment"), group("s-2", 1000, 60, place, "segment")]
    # The whole has people who are in no segment.
    found = underperforming(groups, 0.01, 200, {place: (10_000, 500)})
    assert [one.subject for one in found] == ["segment s-1"]
    assert "5.44% of all else" in found[0].found
    assert "segment_profiles" in found[0].action
    # Sums that do not fit each other say nothing: a KPI that was told later for some.
    assert underperforming(groups, 0.01, 200, {place: (1500, 5)}) == []


def test_rules_that_show_nothing_are_listed_with_why():
    rules = [SlotRule(name, "hero") for name in ("seen", "unseen", "never")]
    rules.append(SlotRule("elsewhere", "footer"))
    found = never_shown(rules, {"seen", "unseen"}, {"seen"}, {"hero": 1200}, 28)
    assert [one.subject for one in found] == ["rule never", "rule unseen"]
    assert "none of 1,200 decisions for hero in 28 days" in found[0].found
    assert "'sparkperso rules test'" in found[0].action
    assert "never seen" in found[1].found
