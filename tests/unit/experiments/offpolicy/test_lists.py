"""Values of lists that were never shown: intervals that cover, and what cannot be known is said."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from sparkperso.experiments.offpolicy.estimators import doubly_robust, ips
from sparkperso.experiments.offpolicy.lists import LIST_STATUSES, METHODS, ListSums, list_value
from sparkperso.experiments.offpolicy.logged import LoggedDecisions

K, GROUPS = 4, 150
ATTENTION = np.array([0.6, 0.4, 0.25, 0.15])
SHARE_OF_A = 0.3


def summed(groups, lists, propensities, rewards, predicted):
    """Returns the sums of decisions (n, places), added up one by one; `lists`: shown, judged."""
    shown, judged = lists
    propensities = np.broadcast_to(np.reshape(propensities, (len(shown), -1)), shown.shape)
    n_groups = max(groups.max() + 1, GROUPS)
    sums = {field.name: np.zeros((n_groups, shown.shape[1])) for field in fields(ListSums)}
    for row, group in enumerate(groups):
        for place in range(shown.shape[1]):
            match = float(shown[row, place] == judged[row, place])
            weight, reward = match / propensities[row, place], rewards[row, place]
            expected = predicted[row, place]
            terms = (1, match, weight, weight**2, reward, weight * reward, expected)
            for name, term in zip(sums, (*terms, weight * (reward - expected)), strict=True):
                sums[name][group, place] += term
    return ListSums(**sums)


def shop(seed, n=600, known=1.0, shared=0.0, by_place=True):
    """Returns sums of a shop that draws list A or B per user, and what the judged lists are worth.

    At a place the judged list has A's item or B's, and with 1 - `known` one that neither shows;
    `shared` places show A's item in B too, whose propensity is that of both, unless not `by_place`.
    The click model is right but for a factor.
    """
    rng = np.random.default_rng(seed)
    n_items = 50
    appeal = rng.beta(2, 3, n_items)
    # A and B never show one item at the same place.
    lists = np.stack([rng.permutation(n_items)[: 3 * K] for _ in range(n)])
    of_a, of_b, others = lists[:, :K], lists[:, K : 2 * K], lists[:, 2 * K :]
    is_shared = rng.random((n, K)) < shared
    of_b = np.where(is_shared, of_a, of_b)
    judged = np.where(rng.random((n, K)) < 0.5, of_a, of_b)
    judged = np.where(rng.random((n, K)) < known, judged, others)
    groups = rng.integers(0, GROUPS, n)
    is_a = rng.random(n) < SHARE_OF_A
    shown = np.where(is_a[:, None], of_a, of_b)
    propensities = np.where(is_a, SHARE_OF_A, 1 - SHARE_OF_A)[:, None]
    propensities = np.where(is_shared & by_place, 1.0, propensities)
    rewards = (rng.random((n, K)) < ATTENTION * appeal[shown]).astype(float)
    sums = summed(groups, (shown, judged), propensities, rewards, 0.8 * ATTENTION * appeal[judged])
    return sums, float((ATTENTION * appeal[judged]).sum(axis=1).mean())


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = dict.fromkeys(METHODS, 0)
    errors = {name: [] for name in METHODS}
    for seed in range(120):
        sums, truth = shop(seed)
        found = list_value(sums, n_resamples=300, seed=seed)
        assert found.status == "ok", "weights add up to the places that there are"
        for name, (value, low, high) in found.values.items():
            held[name] += low <= truth <= high
            errors[name].append(value - truth)
    # 95 % of 120 are 114; fewer than 106 would happen once in 1,000 times.
    assert all(n >= 106 for n in held.values()), held
    for name, own in errors.items():
        assert abs(np.mean(own)) < 3 * np.std(own) / np.sqrt(len(own)), name


def test_what_variants_share_counts_once_where_places_have_their_own_propensities():
    errors = {}
    for by_place in (True, False):
        found = [shop(seed, 400, shared=0.5, by_place=by_place) for seed in range(40)]
        values = [(list_value(sums, n_resamples=100), truth) for sums, truth in found]
        own = np.array([value.values["ips"][0] - truth for value, truth in values])
        errors[by_place] = own.mean() / (own.std() / np.sqrt(len(own)))
        assert (values[0][0].status == "ok") is by_place
    assert abs(errors[True]) < 3
    assert errors[False] > 10, "items of both variants were counted twice"


def test_values_are_those_of_the_estimators_of_single_choices():
    rng = np.random.default_rng(5)
    n = 40
    shown, judged = rng.integers(0, 3, (n, 2)), rng.integers(0, 3, (n, 2))
    propensities = rng.choice([0.2, 0.5], n)
    rewards, predicted = rng.random((n, 2)), rng.random((n, 2))
    sums = summed(np.arange(n), (shown, judged), propensities, rewards, predicted)
    found = list_value(sums, n_resamples=200)
    targets = (shown == judged).astype(float)
    logged = [
        LoggedDecisions(
            rewards[:, place], propensities, targets[:, place], predicted[:, place],
            predicted[:, place],
        )
        for place in (0, 1)
    ]  # fmt: skip
    single = {
        "ips": sum(ips(one).value for one in logged),
        "snips": sum((one.weights @ one.rewards) / one.weights.sum() for one in logged),
        "doubly_robust": sum(doubly_robust(one).value for one in logged),
    }
    assert {name: value[0] for name, value in found.values.items()} == pytest.approx(
        single, abs=1e-6
    )
    weights = np.concatenate([one.weights for one in logged])
    assert found.effective_sample_size == round(weights.sum() ** 2 / (weights @ weights), 1)
    assert found.coverage == pytest.approx(weights.mean(), abs=1e-6)
    assert found.overlap == pytest.approx(targets.mean(), abs=1e-6)
    assert found.logged == pytest.approx(rewards.sum(axis=1).mean(), abs=1e-6)
    for name, (gain, *_) in found.gains.items():
        assert gain == pytest.approx(single[name] - rewards.sum(axis=1).mean(), abs=2e-6)


def test_what_no_variant_could_show_is_worth_nothing_to_ips_and_what_is_expected_to_dr():
    sums, truth = shop(3, n=3_000, known=0.5)
    found = list_value(sums)
    assert found.coverage == pytest.approx(0.5, abs=0.05)
    assert found.values["ips"][2] < 0.6 * truth
    # The click model expects 0.8 of the truth, and half of the places correct it.
    assert found.values["doubly_robust"][0] == pytest.approx(0.9 * truth, rel=0.08)


def test_the_logged_lists_themselves_are_worth_what_they_earned():
    rng = np.random.default_rng(9)
    shown, rewards = rng.integers(0, 9, (300, K)), rng.random((300, K))
    sums = summed(np.arange(300) % 90, (shown, shown), np.full(300, 0.5), rewards, rewards)
    found = list_value(sums)
    assert found.values["snips"][0] == found.logged
    assert found.gains["snips"] == (0, 0, 0)


def test_a_place_without_a_match_speaks_neither_for_a_gain_nor_against_it():
    sums, _ = shop(1)
    for name in ("matches", "weights", "squares", "weighted", "residuals"):
        getattr(sums, name)[:, 1:] = 0
    found = list_value(sums)
    rest = sums.rewards[:, 1:].sum() / sums.n[:, 0].sum()
    first = sums.weighted[:, 0].sum() / sums.weights[:, 0].sum()
    assert found.values["snips"][0] == pytest.approx(first + rest, abs=1e-6)


def test_each_status_says_what_it_says():
    good, _ = shop(1)
    assert list_value(good).status == "ok"
    few, _ = shop(2, n=20)
    assert list_value(few).status == "low_overlap"
    # Both variants show the judged list: each place is weighted by 1 ÷ 0.5, and is there for all.
    rng = np.random.default_rng(4)
    same = rng.integers(0, 9, (400, K))
    rewards = np.zeros((400, K))
    shared = summed(np.arange(400) % 99, (same, same), np.full(400, 0.5), rewards, rewards)
    assert list_value(shared).status == "shared_items"
    apart = summed(np.arange(400) % 99, (same, same + 1), np.full(400, 0.5), rewards, rewards)
    nothing = list_value(apart)
    assert (nothing.status, nothing.values, nothing.overlap) == ("no_overlap", {}, 0)
    alone = list_value(summed(np.zeros(5, int), [same[:5]] * 2, np.full(5, 0.5), *[rewards] * 2))
    assert alone.status == "too_few_decisions"
    assert alone.values["snips"] == (0, None, None)
    nobody = list_value(ListSums(*[np.zeros((3, K))] * 8))
    assert (nobody.status, nobody.n, nobody.metrics()) == (
        "too_few_decisions", 0, {"n": 0, "effective_sample_size": 0},
    )  # fmt: skip
    fixed = list_value(good, is_drawn=False)
    assert (fixed.status, fixed.values, fixed.coverage) == ("deterministic_logging", {}, None)
    assert fixed.overlap > 0
    told = {one.status for one in (nothing, alone, fixed)} | {"ok", "low_overlap", "shared_items"}
    assert told == set(LIST_STATUSES)


def test_figures_have_names_and_leave_out_what_is_not_known():
    sums, _ = shop(1)
    figures = list_value(sums).metrics()
    for method in METHODS:
        assert figures[f"{method}_low"] < figures[method] < figures[f"{method}_high"]
        assert f"{method}_gain_low" in figures
    assert list_value(sums, is_drawn=False).metrics().keys() == {
        "n", "logged", "overlap", "effective_sample_size",
    }  # fmt: skip
