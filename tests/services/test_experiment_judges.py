"""The same sums through tea-tasting and savvi: the same numbers, to 1e-9.

Both in an environment of their own, called once with all cases.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.unit.experiments.statistics.groups import FIXED, units

from sparkperso.experiments.statistics.checks.sample_ratio import sample_ratio
from sparkperso.experiments.statistics.moments import PAIRS, Moments

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".tools" / "judges" / "bin" / "python"
METRICS = {
    "means": {"numer": "y"},
    "ratios": {"numer": "y", "denom": "d"},
    "cuped_means": {"numer": "y", "numer_covariate": "x"},
    "cuped_ratios": {
        "numer": "y", "denom": "d", "numer_covariate": "x", "denom_covariate": "w",
    },
}  # fmt: skip
LEVELS = (0.05, 0.1)
SPLITS = [([510, 480], [0.5, 0.5]), ([5, 9, 30], [0.25, 0.25, 0.5]), ([9000, 9400], [0.5, 0.5])]


def pair(name, seed):
    """Groups of unequal size and effect, with a ratio's sums where they are needed."""
    groups = []
    for place, (n, lift) in enumerate([(400 + 50 * seed, 0.1), (350, 0.0)]):
        rng = np.random.default_rng((seed, place))
        groups.append(Moments.from_rows(**units(name, n, rng, lift)))
    return groups


def as_aggregates(group):
    names = [(a, b) for a, b in PAIRS if a != b]
    return {
        "n": group.n,
        "mean": {name: group.mean(name) for name in "ydxw"},
        "var": {name: group.variance(name) for name in "ydxw"},
        "cov": {f"{a} {b}": group.covariance(a, b) for a, b in names},
    }


CASES = [(name, seed, level) for name in METRICS for seed in range(3) for level in LEVELS]


@pytest.fixture(scope="module")
def judged():
    if not PYTHON.exists():
        pytest.fail("This test needs tea-tasting and savvi: run scripts/setup_tests.sh")
    cases = [
        {
            "kind": "tea",
            "metric": METRICS[name],
            "level": level,
            **dict(zip(("treated", "baseline"), map(as_aggregates, pair(name, seed)), strict=True)),
        }
        for name, seed, level in CASES
    ]
    cases += [{"kind": "savvi", "counts": counts, "weights": w} for counts, w in SPLITS]
    judge = [str(PYTHON), str(ROOT / "tests" / "experiment_judge.py")]
    done = subprocess.run(
        judge, input=json.dumps(cases), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_means_ratios_and_cuped_are_tea_tastings(judged):
    for (name, seed, level), expected in zip(CASES, judged, strict=False):
        found = FIXED[name](*pair(name, seed), significance_level=level)
        ours = {key: getattr(found, key) for key in expected}
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-12), (name, seed, level)


def test_the_always_valid_sample_ratio_is_savvis(judged):
    for (counts, weights), expected in zip(SPLITS, judged[len(CASES) :], strict=True):
        names = [f"v{place}" for place in range(len(counts))]
        found = sample_ratio(
            dict(zip(names, counts, strict=True)), dict(zip(names, weights, strict=True))
        )
        assert found.sequential_p_value == pytest.approx(min(expected, 1), rel=1e-9)
