"""Off-policy values: unbiased where they are to be, intervals that cover, and obp's figures."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.unit.experiments.statistics.groups import within

from sparkperso.core.errors import UsageError
from sparkperso.experiments.offpolicy.estimators import (
    STATUSES,
    doubly_robust,
    ips,
    self_normalised_doubly_robust,
    snips,
)
from sparkperso.experiments.offpolicy.logged import LoggedDecisions

DATA = Path(__file__).parents[1] / "data"
PLAIN = [ips, snips]
ROBUST = [doubly_robust, self_normalised_doubly_robust]
ALL = [*PLAIN, *ROBUST]

# Three kinds of users, four choices: true click rates, and what two policies choose.
RATES = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1], [0.2, 0.5, 0.2, 0.1]])
LOGGING = np.array([[0.4, 0.3, 0.2, 0.1], [0.25] * 4, [0.1, 0.2, 0.3, 0.4]])
TARGET = np.array([[0.1, 0.1, 0.2, 0.6], [0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]])
TRUTH = float((RATES * TARGET).sum(axis=1).mean())
MODEL = RATES * 0.7 + 0.05  # Wrong, but in the right direction.


def decisions(rng, n=1500, n_users=None, **fields):
    kind = rng.integers(0, 3, n)
    groups = None
    if n_users is not None:  # A user keeps their kind, and how much they click.
        groups = rng.integers(0, n_users, n)
        kind = (groups % 3).astype(int)
    choice = (LOGGING[kind].cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)
    rate = RATES[kind, choice]
    if groups is not None:
        rate = rate * rng.choice([0.2, 1.8], n_users)[groups]
    return LoggedDecisions(
        rewards=(rng.random(n) < rate).astype(float),
        propensities=LOGGING[kind, choice],
        targets=TARGET[kind, choice],
        predicted=MODEL[kind, choice],
        predicted_target=(MODEL * TARGET).sum(axis=1)[kind],
        groups=groups,
        **fields,
    )


@pytest.mark.parametrize("method", ALL)
def test_it_is_right_on_average_and_its_interval_covers(method):
    rng, n = np.random.default_rng(1), 2000
    found = [method(decisions(rng)) for _ in range(n)]
    values = np.array([one.value for one in found])
    error = values.std() / np.sqrt(n)
    assert abs(values.mean() - TRUTH) < 3.5 * error + 1e-4
    assert within(np.mean([one.low <= TRUTH <= one.high for one in found]), 0.95, n, errors=4)
    assert np.mean([one.standard_error for one in found]) == pytest.approx(values.std(), rel=0.06)
    logged = float((RATES * LOGGING).sum(axis=1).mean())
    gain = TRUTH - logged
    covered = np.mean([one.gain_low <= gain <= one.gain_high for one in found])
    assert within(covered, 0.95, n, errors=4)


def test_a_model_narrows_the_interval_and_so_does_normalising():
    logged = decisions(np.random.default_rng(2), 20_000)
    errors = {method.__name__: method(logged).standard_error for method in ALL}
    assert errors["snips"] < errors["ips"]
    assert errors["doubly_robust"] < errors["ips"]


@pytest.mark.parametrize("method", ALL)
def test_the_bootstrap_agrees_with_the_influences_and_is_the_same_for_the_same_seed(method):
    logged = decisions(np.random.default_rng(3), 5000)
    normal, drawn = method(logged), method(logged, interval="bootstrap")
    assert (drawn.value, drawn.standard_error) == (normal.value, normal.standard_error)
    for name in ("low", "high", "gain_low", "gain_high"):
        away = 0.25 * 1.96 * normal.standard_error
        assert getattr(drawn, name) == pytest.approx(getattr(normal, name), abs=away)
    assert method(logged, interval="bootstrap") == drawn
    assert method(logged, interval="bootstrap", seed=1) != drawn


@pytest.mark.parametrize("method", ALL)
def test_decisions_of_one_user_go_together(method):
    """With 20 decisions each the interval by decision is too narrow; by user it covers."""
    rng, n = np.random.default_rng(4), 400
    by_user = [method(decisions(rng, 1500, n_users=75)) for _ in range(n)]
    values = np.array([one.value for one in by_user])
    assert np.mean([one.standard_error for one in by_user]) == pytest.approx(values.std(), rel=0.15)
    logged = decisions(rng, 1500, n_users=75)
    narrow = method(replace(logged, groups=None))
    assert narrow.standard_error < 0.8 * method(logged).standard_error
    wide = method(logged, interval="bootstrap")
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


def test_the_same_policy_earns_what_was_earned():
    rng = np.random.default_rng(5)
    logged = decisions(rng)
    same = LoggedDecisions(logged.rewards, logged.propensities, logged.propensities)
    for method in PLAIN:
        found = method(same)
        assert found.value == found.logged_value == pytest.approx(same.rewards.mean())
        assert found.effective_sample_size == pytest.approx(len(same))
        assert (found.gain, found.gain_low, found.gain_high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_normalised_weights_have_no_scale():
    """Half the probabilities, such as of a policy that acts half the time: the same mean reward."""
    logged = decisions(np.random.default_rng(7))
    half = replace(logged, targets=logged.targets / 2)
    found, scaled = snips(logged), snips(half)
    for name in ("value", "low", "high", "gain_high", "effective_sample_size"):
        assert getattr(scaled, name) == pytest.approx(getattr(found, name), rel=1e-12)
    assert ips(half).value == pytest.approx(ips(logged).value / 2)


def test_the_effective_sample_size_is_kishs():
    logged = LoggedDecisions(*arrays([1, 0, 1], [0.5, 0.5, 0.25], [0.5, 0.5, 0.5]))
    assert logged.effective_sample_size == pytest.approx((1 + 1 + 2) ** 2 / (1 + 1 + 4))


def test_clipping_is_told_and_lowers_what_is_earned():
    logged = decisions(np.random.default_rng(6))
    clipped = decisions(np.random.default_rng(6), clip=2.0)
    found, less = ips(logged), ips(clipped)
    assert found.clipped_share == 0
    assert 0 < less.clipped_share < 0.5
    assert less.value < found.value
    assert less.effective_sample_size > found.effective_sample_size


def open_bandit(policy):
    table = pq.read_table(DATA / "open_bandit.parquet", filters=[("policy", "=", policy)])
    return {name: table[name].to_numpy() for name in table.column_names if name != "policy"}


def thompson_policy():
    """Probability of each item at each position, as obp simulates it (2,000 draws, seed 12345)."""
    prior = json.loads((DATA / "open_bandit_prior.json").read_text())
    rng = np.random.RandomState(12345)
    counts = np.zeros((80, 3))
    for _ in range(2000):
        tastes = rng.beta(a=np.array(prior["alpha"], float), b=np.array(prior["beta"], float))
        counts[tastes.argsort()[::-1][:3], range(3)] += 1
    return counts / 2000


def test_the_open_bandit_data_give_obps_figures_and_the_interval_holds_the_truth():
    log = open_bandit("random")
    logged = LoggedDecisions(
        log["click"].astype(float),
        log["propensity"],
        thompson_policy()[log["item_id"], log["position"] - 1],
    )
    truth = open_bandit("bts")["click"].mean()
    assert f"{truth:.4f}" == "0.0042"
    for method, figure in ((ips, "0.004716"), (snips, "0.004951")):
        found = method(logged)
        assert f"{found.value:.6f}" == figure
        assert found.low <= truth <= found.high
        drawn = method(logged, interval="bootstrap")
        assert drawn.low <= truth <= drawn.high
        assert found.status == "ok"
        assert 1000 < found.effective_sample_size < 2500


def arrays(*values):
    return [np.array(one, dtype=float) for one in values]


@pytest.mark.parametrize(
    ("logged", "status"),
    [
        (LoggedDecisions(*arrays([], [], [])), "too_few_decisions"),
        (LoggedDecisions(*arrays([1], [0.5], [0.5])), "too_few_decisions"),
        (LoggedDecisions(*arrays([1, 0], [0.5, 0.5], [0, 0])), "no_overlap"),
        (LoggedDecisions(*arrays([1], [0.5], [0])), "no_overlap"),
        (LoggedDecisions(*arrays([1, math.nan], [0.5, 0.5], [1, 0])), "not_finite"),
        (LoggedDecisions(*arrays([1, math.inf], [0.5, 0.5], [1, 0])), "not_finite"),
        (LoggedDecisions(*arrays([1, 0], [0.5, 0.5], [1, 0])), "low_overlap"),
        (
            LoggedDecisions(*arrays([1, 0], [0.5, 0.5], [1, 0]), groups=np.array([7, 7])),
            "too_few_decisions",
        ),
    ],
)
def test_what_says_nothing_has_a_status_and_never_a_nan(logged, status):
    for method in PLAIN:
        found = method(logged)
        assert found.status == status
        assert status in STATUSES
        assert all(math.isfinite(v) for v in asdict(found).values() if isinstance(v, float))
        if status != "low_overlap":
            assert found.low is found.high is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: LoggedDecisions(*arrays([1, 0], [0.5, 0.0], [1, 0])),
        lambda: LoggedDecisions(*arrays([1, 0], [0.5, 1.5], [1, 0])),
        lambda: LoggedDecisions(*arrays([1, 0], [0.5, math.nan], [1, 0])),
        lambda: LoggedDecisions(*arrays([1, 0], [0.5, 0.5], [1, 2])),
        lambda: LoggedDecisions(*arrays([1, 0], [0.5], [1, 0])),
        lambda: LoggedDecisions(*arrays([1, 0], [0.5, 0.5], [1, 0]), clip=0),
        lambda: LoggedDecisions(*arrays([1, 0], [0.5, 0.5], [1, 0], [0, 0])),
        lambda: doubly_robust(LoggedDecisions(*arrays([1, 0], [0.5, 0.5], [1, 0]))),
        lambda: ips(LoggedDecisions(*arrays([1, 0], [0.5, 0.5], [1, 0])), significance_level=2),
    ],
)
def test_what_is_no_logged_decision_is_refused(wrong):
    with pytest.raises(UsageError):
        wrong()
