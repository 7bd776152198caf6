"""Shares of a bandit: what they always are, and what trials make of them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from tests.experiments import NOW, experiment

from sparkperso.core.hashing import BUCKETS, share_of, variant_at
from sparkperso.decisions.facts import Facts
from sparkperso.experiments.assignment.assign import Split, Units, place_of
from sparkperso.experiments.assignment.shares import EVERYBODY, segment_of, usable_shares
from sparkperso.experiments.bandits.allocation import in_buckets
from sparkperso.experiments.bandits.shares import TrialSums, share_rows
from sparkperso.experiments.results.judge import Findings
from sparkperso.experiments.results.judge_bandit import judge_bandit

ARMS = ("a", "b", "c")


def bandit(**fields):
    usual = {"metric": "conversion", "floor": 0.05}
    return experiment(variants=dict.fromkeys(ARMS, 1), bandit={**usual, **fields})


def sums(n, successes):
    """Trials with equal shares: each weighs 1."""
    return TrialSums(n, successes, n, successes, n)


def random_trials(seed):
    """Trials of none to three segments, of which variants may be missing, or never shown."""
    rng = np.random.default_rng(seed)
    found = {}
    for segment in rng.permutation(["", "new", "vip"])[: rng.integers(0, 4)]:
        found[str(segment)] = {
            name: sums(n, rng.binomial(n, rng.choice([0, 0.03, 0.5, 1])))
            for name in ARMS
            if rng.random() < 0.9
            for n in (int(rng.choice([0, 1, 7, 800, 5000])),)
        }
    return found


@pytest.mark.parametrize("floor", [0.001, 0.05, 0.1234567, 0.3])
@pytest.mark.parametrize("seed", range(12))
def test_shares_add_up_to_one_keep_the_floor_and_are_parts_of_the_hash(seed, floor):
    found = random_trials(seed)
    one = bandit(floor=floor, by="audiences")
    by_segment = {}
    for row in share_rows(one, found):
        by_segment.setdefault(row.segment, {})[row.variant] = row.share
    assert None in by_segment
    for shares in by_segment.values():
        assert list(shares) == list(ARMS)
        assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
        assert min(shares.values()) >= round(floor * BUCKETS) / BUCKETS
        if any(each.n for of in found.values() for each in of.values()):
            parts = [share * BUCKETS for share in shares.values()]
            assert parts == pytest.approx([round(part) for part in parts], abs=1e-9)


@pytest.mark.parametrize("n", range(2, 20))
def test_whole_parts_are_less_than_one_part_away(n):
    weights = np.random.default_rng(n).uniform(0.001, 1, n)
    shares = {f"v{place}": weight / sum(weights) for place, weight in enumerate(weights)}
    found = in_buckets(shares)
    assert sum(round(share * BUCKETS) for share in found.values()) == BUCKETS
    for name, share in shares.items():
        assert abs(found[name] - share) < 1 / BUCKETS + 1e-9


def test_before_any_trial_shares_are_the_weights():
    one = experiment(variants={"a": 1, "b": 3}, bandit={"metric": "conversion"})
    rows = share_rows(one, {})
    assert {row.variant: (row.share, row.value, row.n) for row in rows} == {
        "a": (0.25, None, 0), "b": (0.75, None, 0),
    }  # fmt: skip


def test_what_succeeds_more_often_has_more_and_a_segment_its_own():
    found = {
        EVERYBODY: {name: sums(2000, 100) for name in ARMS},
        "vip": {"a": sums(1000, 90), "b": sums(1000, 40), "c": sums(1000, 40)},
        "new": {"a": sums(1000, 40), "b": sums(1000, 90), "c": sums(1000, 40)},
    }
    shares = {(row.segment, row.variant): row.share for row in share_rows(bandit(by="x"), found)}
    assert shares["vip", "a"] == shares["new", "b"] == pytest.approx(0.9, abs=1e-3)
    assert 0.3 < shares[None, "a"] < 0.6
    # Without `by` there are those of everybody alone.
    assert {row.segment for row in share_rows(bandit(), found)} == {None}


def test_weighted_trials_count_for_as_many_as_they_are_worth():
    even = sums(100, 10)
    # Half of them on a day on which the variant had a tenth of its share on the other.
    uneven = TrialSums(110, 11, 100 * 1 + 10 * 10, 10 * 1 + 1 * 10, 100 * 1 + 10 * 100)
    assert (even.counts.n, even.value) == (100, 0.1)
    assert uneven.value == pytest.approx(0.1)
    assert uneven.counts.n == pytest.approx(200**2 / 1100)
    assert TrialSums().counts.n == 0
    assert TrialSums().value is None


@pytest.mark.parametrize("seed", range(10))
def test_a_unit_moves_only_where_bounds_do(seed):
    before, after = np.random.default_rng(seed).integers(1, 60, (2, 3))
    old, new = (np.array(each) / sum(each) for each in (before, after))
    places = np.arange(0, BUCKETS, 7) / BUCKETS
    moved = [p for p in places if variant_at(p, list(old)) != variant_at(p, list(new))]
    bounds = list(zip(np.cumsum(old)[:-1], np.cumsum(new)[:-1], strict=True))
    for place in moved:
        assert any(min(pair) - 1e-9 <= place <= max(pair) + 1e-9 for pair in bounds)


def test_the_propensity_is_the_share_and_the_segment_decides_it():
    one = bandit(by="audiences")
    shares = {
        EVERYBODY: {"a": 0.2, "b": 0.3, "c": 0.5},
        "vip": {"a": 0.9, "b": 0.05, "c": 0.05},
        "zzz": {"a": 0.1, "b": 0.1, "c": 0.8},
    }
    split = Split(one, shares=shares)
    assert split.is_personal
    for own, of in (
        ((), EVERYBODY), (("vip",), "vip"), (("zzz", "vip"), "vip"), (("else",), EVERYBODY),
    ):  # fmt: skip
        facts = Facts(NOW, segments=frozenset(own), may_personalise=True)
        for number in range(200):
            unit = f"u{number}"
            found = split.assign(facts, Units(unit))
            assert found.propensity == shares[of][found.variant]
            assert ARMS.index(found.variant) == place_of(one, unit, shares[of])
            assert ARMS.index(found.variant) == variant_at(
                share_of("hero", unit), list(shares[of].values())
            )
    assert segment_of(frozenset(("vip",)), {EVERYBODY: {}}) == EVERYBODY


def test_shares_of_other_variants_are_not_used():
    one = bandit()
    weights = {EVERYBODY: dict.fromkeys(ARMS, 1 / 3)}
    for wrong in (
        None,
        {},
        {EVERYBODY: {"a": 0.5, "b": 0.5}},
        {EVERYBODY: {"a": 0.5, "b": 0.4, "c": 0.4}},
        {"vip": {"a": 0.5, "b": 0.3, "c": 0.2}},
    ):
        assert usable_shares(one, wrong) == weights
    # Of what is no bandit the weights alone.
    plain = experiment(variants=dict.fromkeys(ARMS, 1))
    assert usable_shares(plain, {EVERYBODY: {"a": 0.5, "b": 0.3, "c": 0.2}}) == weights


PROGRAM = """
import json
from sparkperso.config.experiments.experiment import Experiment
from sparkperso.experiments.bandits.shares import TrialSums, share_rows
one = Experiment(name="x", variants={"a": 1, "b": 1, "c": 1}, bandit={"metric": "m"})
found = {"": {v: TrialSums(n, n / 10 + k, n, n / 10 + k, n) for k, (v, n) in
              enumerate({"a": 700, "b": 900, "c": 801}.items())}}
print(json.dumps([[r.variant, r.share, r.error] for r in share_rows(one, found)]))
"""


def test_two_processes_say_the_same():
    said = [
        json.loads(
            subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True).stdout
        )
        for _ in range(2)
    ]
    assert said[0] == said[1]
    assert sum(row[1] for row in said[0]) == pytest.approx(1)


def test_a_bandit_is_told_as_what_it_is():
    one, at = bandit(by="audiences"), NOW.replace(tzinfo=None)
    found = {"vip": {"a": sums(1000, 90), "b": sums(1000, 40), "c": sums(1000, 40)}}
    rows = share_rows(one, found)
    told = judge_bandit(one, rows, findings=Findings(), as_of=at)
    assert (told.verdict, told.variant, told.srm_p_value) == ("keep_running", None, None)
    assert told.why == "A bandit: a has the largest share, 90 %, after 3,000 trials."
    assert told.sentences[0].startswith("conversion: a 9 % (95 % interval 7.")
    assert "in vip" in told.sentences[3]
    assert "no fixed share" in told.warnings[-1]
    over = experiment(variants=dict.fromkeys(ARMS, 1), end="2026-12-09", bandit={"metric": "x"})
    assert judge_bandit(over, rows, findings=Findings(), as_of=at).verdict == "stop"
    nobody = judge_bandit(one, share_rows(one, {}), findings=Findings(), as_of=at)
    assert nobody.verdict == "broken"
    assert nobody.sentences[0] == "conversion: a was not shown yet, share 33.3 %."
