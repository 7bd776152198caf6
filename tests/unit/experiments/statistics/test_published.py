"""Experiments that others have published come out as they were published.

Only counts and results, to the digit that was printed. Sources:

- Cookie Cats (Tactile Entertainment): a gate moved from level 30 to 40, players back after one and
  seven days; counts, z and p as github.com/PrernaShinde/cookiecats-ab-test prints them, interval
  and relative change as github.com/dorukalkan/cookie-cats-ab-test does.
- Aspirin: Physicians' Health Study (NEJM 321, 1989); interval by Agresti, An Introduction to
  Categorical Data Analysis (2nd ed.), section 2.2.1.
- Blood thinners after CPR: Diez, Çetinkaya-Rundel, Barr, OpenIntro Statistics (4th ed.), section
  6.2.2, an interval at 90 %.
- Phenformin: UGDP, in Gerstman, StatPrimer, exercise 9B.14, without continuity correction.
- Smokers among patients of four hospitals: Fleiss (1981), as in R's help page of prop.test.
- Sleep: Student (1908), as R's help page of t.test prints it.
"""

from __future__ import annotations

import pytest

from sparkperso.experiments.statistics.comparison import chi_square, means, proportions
from sparkperso.experiments.statistics.moments import Moments


def compared(treated, baseline, level=0.05):
    return proportions(
        Moments.from_counts(*treated), Moments.from_counts(*baseline), significance_level=level
    )


def test_cookie_cats_after_one_day():
    found = compared((20119, 45489), (20034, 44700))
    assert found.value_baseline == pytest.approx(0.4481879194630872, abs=1e-15)
    assert 100 * found.effect == pytest.approx(-0.5905169787341458, abs=1e-12)
    assert 100 * found.lift == pytest.approx(-1.317565585974659, abs=1e-12)
    assert found.statistic == pytest.approx(-1.7840862247974725, abs=1e-12)
    assert found.p_value == pytest.approx(0.07440965529691913, abs=1e-12)


def test_cookie_cats_after_seven_days():
    found = compared((8279, 45489), (8502, 44700))
    assert (
        f"{found.value_baseline:.2%} {found.value:.2%} {found.lift:.2%}" == "19.02% 18.20% -4.31%"
    )
    interval = f"{100 * found.effect_low:.2f} {100 * found.effect_high:.2f}"
    assert interval == "-1.33 -0.31"
    assert f"{found.p_value:.4f}" == "0.0016"


def test_aspirin():
    found = compared((104, 11037), (189, 11034))
    assert f"{-found.effect:.4f}" == "0.0077"
    assert f"{-found.effect_high:.3f} {-found.effect_low:.3f}" == "0.005 0.011"
    assert found.p_value < 0.00001


def test_blood_thinners():
    found = compared((14, 40), (11, 50), level=0.1)
    assert f"{found.effect:.2f}" == "0.13"
    # The book adds 1.65 standard errors of 0.095.
    assert (found.effect_low, found.effect_high) == pytest.approx((-0.027, 0.287), abs=5e-4)


def test_phenformin():
    assert f"{compared((26, 204), (2, 64)).p_value:.3f}" == "0.028"


def test_smokers_in_four_hospitals():
    smokers, patients = (83, 90, 129, 70), (86, 93, 136, 82)
    found = chi_square([Moments.from_counts(*one) for one in zip(smokers, patients, strict=True)])
    assert found.freedom == 3
    assert f"{found.statistic:.1f} {found.p_value:.6f}" == "12.6 0.005585"


def test_sleep():
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = means(Moments.from_rows(first), Moments.from_rows(second), significance_level=0.05)
    assert f"{found.statistic:.4f} {found.p_value:.5f}" == "-1.8608 0.07939"
    assert f"{found.effect_low:.7f} {found.effect_high:.7f}" == "-3.3654832 0.2054832"
