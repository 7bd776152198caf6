"""Bandits: shares that are probabilities, exact where that is known, and less regret than even."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from sparkperso.core.errors import UsageError
from sparkperso.experiments.bandits.allocation import (
    allocate,
    allocate_by_segment,
    draw_shares,
)
from sparkperso.experiments.bandits.posteriors import (
    BetaPosterior,
    Counts,
    NormalPosterior,
    beta_posteriors,
    normal_posteriors,
)
from sparkperso.experiments.bandits.regret import simulate_regret
from sparkperso.experiments.offpolicy.estimators import snips
from sparkperso.experiments.offpolicy.logged import LoggedDecisions
from sparkperso.experiments.statistics.moments import Moments

BETAS = {
    "a": BetaPosterior(20, 480), "b": BetaPosterior(30, 470), "c": BetaPosterior(1, 1),
    "d": BetaPosterior(25.5, 500),
}  # fmt: skip
NORMALS = {
    "a": NormalPosterior(10, 1), "b": NormalPosterior(11, 0.5), "c": NormalPosterior(9, 5),
}  # fmt: skip


def by_quadrature(posteriors):
    """scipy's adaptive integral of each density times the others' distributions."""
    laws = {
        name: stats.beta(p.a, p.b) if isinstance(p, BetaPosterior) else stats.norm(p.mean, p.spread)
        for name, p in posteriors.items()
    }
    found = {}
    for name, law in laws.items():
        others = [other for key, other in laws.items() if key != name]

        def density(x, law=law, others=others):
            return law.pdf(x) * np.prod([other.cdf(x) for other in others])

        ends = sorted(float(each.ppf(q)) for each in laws.values() for q in (1e-9, 0.5, 1 - 1e-9))
        found[name] = integrate.quad(density, ends[0], ends[-1], points=ends[1:-1], limit=500)[0]
    return found


@pytest.mark.parametrize("posteriors", [BETAS, NORMALS])
def test_shares_are_the_probabilities_to_be_best(posteriors):
    exact = by_quadrature(posteriors)
    found = allocate(posteriors)
    assert found.error < 1e-4
    assert found.shares == pytest.approx(exact, abs=2 * found.error + 1e-7)
    assert sum(found.shares.values()) == pytest.approx(1, abs=1e-12)
    drawn = draw_shares(posteriors, seed=1)
    assert drawn.shares == pytest.approx(exact, abs=4 * drawn.error)
    assert draw_shares(posteriors, seed=1) == drawn


def test_two_normals_have_a_closed_form():
    found = allocate({"a": NORMALS["a"], "b": NORMALS["b"]}).shares["b"]
    assert found == pytest.approx(stats.norm.cdf(1 / np.hypot(1, 0.5)), abs=1e-5)


@pytest.mark.parametrize(
    "allocated", [allocate, lambda p, floor: draw_shares(p, seed=2, floor=floor)]
)
def test_the_floor_is_kept_and_the_order_too(allocated):
    shares = allocated(BETAS, floor=0.1).shares
    assert min(shares.values()) >= 0.1 - 1e-12
    assert sum(shares.values()) == pytest.approx(1)
    plain = allocated(BETAS, floor=0.0).shares
    assert sorted(shares, key=shares.get) == sorted(plain, key=plain.get)
    assert allocated(BETAS, floor=0.25).shares == pytest.approx(dict.fromkeys(BETAS, 0.25))


def test_one_variant_gets_all_and_many_alike_get_the_same():
    assert allocate({"a": BetaPosterior(3, 4)}).shares == {"a": 1.0}
    alike = {f"v{n}": BetaPosterior(30, 400) for n in range(20)}
    assert allocate(alike).shares == pytest.approx(dict.fromkeys(alike, 0.05), abs=1e-6)


def test_certainty_has_no_nan():
    sure = {"a": BetaPosterior(1e6, 1e8), "b": BetaPosterior(2e6, 1e8), "c": BetaPosterior(1, 1e9)}
    shares = allocate(sure).shares
    assert shares == pytest.approx({"a": 0, "b": 1, "c": 0}, abs=1e-9)


def test_batches_add_up_whatever_their_number():
    rng = np.random.default_rng(3)
    clicks = {
        name: (rng.random(300) < rate).astype(float) for name, rate in (("a", 0.1), ("b", 0.2))
    }
    whole = {name: Moments.from_rows(values) for name, values in clicks.items()}
    parts = {
        name: Moments.merged(map(Moments.from_rows, np.split(values, 5)))
        for name, values in clicks.items()
    }
    for posteriors in (beta_posteriors, normal_posteriors):
        assert allocate(posteriors(parts)).shares == pytest.approx(
            allocate(posteriors(whole)).shares
        )
    found = beta_posteriors(whole)["a"]
    assert (found.a, found.b) == pytest.approx((1 + clicks["a"].sum(), 301 - clicks["a"].sum()))


def test_before_anything_is_known_all_get_the_same():
    none = dict.fromkeys("abc", Moments.empty())
    zero = dict.fromkeys("abc", Moments.from_rows([0.0, 0.0]))
    for posteriors in (beta_posteriors, normal_posteriors):
        for groups in (none, zero):
            assert allocate(posteriors(groups)).shares == pytest.approx(dict.fromkeys("abc", 1 / 3))


def test_normal_posteriors_shrink_to_the_mean_of_all():
    rng = np.random.default_rng(4)
    groups = {"a": Moments.from_rows(rng.normal(5, 2, 400)), "b": Moments.from_rows([100.0])}
    found = normal_posteriors(groups)
    assert found["a"].mean == pytest.approx(5, abs=0.4)
    assert 5 < found["b"].mean < 100
    assert found["a"].spread == pytest.approx(2 / np.sqrt(402), rel=0.1)
    assert found["b"].spread > 10 * found["a"].spread


def test_a_segment_follows_its_own_units_and_a_small_one_the_others():
    def counts(rate_a, rate_b, n):
        return {
            "a": Counts(n, round(rate_a * n)),
            "b": Counts(n, round(rate_b * n)),
        }

    segments = {
        "most": counts(0.10, 0.14, 5000),
        "others": counts(0.14, 0.10, 3000),
        "few": counts(0.2, 0.0, 5),
        "none": {},
    }
    found = allocate_by_segment(segments, floor=0.02)
    assert found["most"].shares["b"] > 0.97
    assert found["others"].shares["a"] > 0.97
    # Five units say little: it does as all do, who are rather for b.
    assert 0.2 < found["few"].shares["a"] < 0.7
    assert found["none"].shares["b"] > 0.5


def test_regret_is_far_below_even_shares_and_the_best_is_found():
    found = simulate_regret([0.05, 0.05, 0.08], n_batches=30, batch_size=300, n_runs=100, seed=5)
    assert found.uniform[-1] == pytest.approx(30 * 300 * 0.02)
    assert found.saved > 0.5
    assert found.best_share > 0.8
    assert (np.diff(found.cumulative) >= 0).all()
    # A floor costs some of it.
    floored = simulate_regret(
        [0.05, 0.05, 0.08], n_batches=30, batch_size=300, floor=0.1, n_runs=100, seed=5
    )
    assert found.cumulative[-1] < floored.cumulative[-1] < floored.uniform[-1]


def test_days_that_weigh_alike_are_no_trap_where_the_level_falls():
    falling = {"levels": list(np.linspace(1.6, 0.4, 30)), "n_batches": 30, "batch_size": 2000}
    found = {
        weighs: simulate_regret(
            [0.05, 0.055], **falling, floor=0.05, n_runs=200, seed=3, weighs_days=weighs
        )
        for weighs in (False, True)
    }
    assert found[True].uniform[-1] == pytest.approx(30 * 2000 * 0.0025)
    assert found[True].best_share > found[False].best_share + 0.03
    with pytest.raises(UsageError, match="2 levels, 30 batches"):
        simulate_regret([0.1, 0.2], n_batches=30, batch_size=10, levels=[1, 1])


def test_alike_variants_have_no_regret():
    found = simulate_regret([0.1, 0.1], n_batches=3, batch_size=100, n_runs=10)
    assert found.cumulative[-1] == found.uniform[-1] == found.saved == 0


def test_a_bandits_log_with_its_propensities_tells_what_each_variant_earns():
    """The plain mean of a variant that a bandit gave up is too low; SNIPS by batch is not."""
    rng, rates, n_runs = np.random.default_rng(6), np.array([0.10, 0.12]), 150
    covered, values = 0, []
    for _ in range(n_runs):
        totals = {"a": Moments.empty(), "b": Moments.empty()}
        rewards, propensities, targets = [], [], []
        for batch in range(8):
            floor = 0.1
            shares = (
                allocate(beta_posteriors(totals), floor=floor, n_nodes=129).shares
                if batch
                else {"a": 0.5, "b": 0.5}
            )
            choice = (rng.random(250) < shares["b"]).astype(int)
            clicks = (rng.random(250) < rates[choice]).astype(float)
            for place, name in enumerate("ab"):
                totals[name] = totals[name].merge(Moments.from_rows(clicks[choice == place]))
            rewards.append(clicks)
            propensities.append(np.where(choice == 1, shares["b"], shares["a"]))
            targets.append((choice == 0).astype(float))
        found = snips(LoggedDecisions(*map(np.concatenate, (rewards, propensities, targets))))
        values.append(found.value)
        covered += found.low <= rates[0] <= found.high
    error = np.std(values) / np.sqrt(n_runs)
    assert abs(np.mean(values) - rates[0]) < 3.5 * error
    assert covered / n_runs > 0.88


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: allocate({}),
        lambda: allocate(BETAS, floor=0.3),
        lambda: allocate(BETAS, floor=-0.1),
        lambda: BetaPosterior.from_counts(5, 4),
        lambda: BetaPosterior.from_counts(1, 4, prior_share=1.0),
        lambda: simulate_regret([0.5], n_batches=1, batch_size=1),
        lambda: simulate_regret([0.5, 1.5], n_batches=1, batch_size=1),
    ],
)
def test_what_cannot_be_shared_out_is_refused(wrong):
    with pytest.raises(UsageError):
        wrong()
