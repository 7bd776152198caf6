"""Whatever was measured: no number that is none, a status that is documented, a sentence."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.config.metrics import Metric
from sparkperso.experiments.report.page import Report, render
from sparkperso.experiments.results.judge import Findings, judge
from sparkperso.experiments.results.measured import Cell, Measured, MeasuredMetric
from sparkperso.experiments.results.rows import result_rows
from sparkperso.experiments.statistics.estimate import STATUSES
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.quantiles import QuantileRange
from sparkperso.experiments.statistics.resampling import BucketSums
from sparkperso.experiments.statistics.verdict import FAULTS

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "experiments-analysis.md").read_text()
START = datetime(2026, 3, 2)
BUYS = {"event_type": "purchase"}
METRICS = {
    one.name: one
    for one in (
        Metric(name="share", kind="proportion", of=BUYS),
        Metric(name="back", kind="retention", day=1, covariate=False),
        Metric(
            **{"name": "sum", "kind": "mean", "of": BUYS, "value": "sum_value"},
            methods=("mann_whitney", "bootstrap"),
        ),
        Metric(name="basket", kind="ratio", of=BUYS, value="sum_value", denominator={"of": BUYS}),
        Metric(
            name="p90", kind="quantile", of=BUYS, value="sum_value", quantile=0.9, better="down"
        ),
    )
}
CONFIG = ExperimentsConfig(n_resamples=100, segmentations=("s",), strata="s")
ODD = (0.0, 1.0, -5.5, 0.1, 1e-160, 1e-300, 1e15, 1e300, -1e300, math.inf, -math.inf, math.nan)
SIZES = (0, 1, 2, 3, 30)
SHAPES = ("zero", "same", "one huge", "odd", "usual")


@pytest.fixture(autouse=True)
def garbage_stays(monkeypatch):
    """statsmodels collects garbage at each correction: a hundred times as long as all the rest."""
    monkeypatch.setattr("gc.collect", lambda: 0)


def values(rng, n, *, is_share):
    """Returns the values of n units: all zero, all the same, one huge, odd ones, or usual."""
    shape = rng.choice(SHAPES)
    if is_share:
        return (rng.random(n) < rng.choice([0.0, 0.01, 0.5, 1.0])).astype(float)
    found = {"zero": np.zeros(n), "same": np.full(n, rng.choice(ODD[:8]))}.get(shape)
    if found is None:
        found = rng.gamma(2, 20, n) if shape != "odd" else rng.choice(ODD, n)
    if shape == "one huge" and n:
        found[0] = 1e300
    return found


def group(rng, metric):
    n = int(rng.choice(SIZES))
    y, x = (values(rng, n, is_share=metric.is_share) for _ in range(2))
    d = w = None
    if metric.kind == "ratio":
        d, w = (values(rng, n, is_share=rng.random() < 0.5) for _ in range(2))
    return y, Moments.from_rows(y, d, x, w)


def measured_metric(rng, metric, arms):
    cells, counts, buckets, quantiles, days, ages = [], {}, {}, {}, {}, {}
    for arm in arms:
        for segments in ((), ("s-1",), ("s-2",)):
            y, moments = group(rng, metric)
            if len(y):
                cells.append(Cell(arm, "s", segments, moments))
        finite = y[~np.isnan(y)]
        counts[arm] = Counter(finite.tolist())
        buckets[arm] = BucketSums(len(y), np.ones(len(y)), y)
        low, middle, high = sorted(rng.choice(finite if len(finite) else [0.0], 3).tolist())
        quantiles[arm] = QuantileRange(len(y), middle, low, high)
        days[arm] = {date(2026, 3, day): group(rng, metric)[1] for day in range(2, 6)}
        ages[arm] = {age: group(rng, metric)[1] for age in range(4)}
    if rng.random() < 0.1:
        return MeasuredMetric()
    return MeasuredMetric(
        tuple(cells),
        quantiles if metric.kind == "quantile" else {},
        counts,
        buckets,
        days if metric.kind != "quantile" else {},
        ages,
    )


def case(seed):
    """Returns an experiment, two variants or factors, and what was measured of it, by seed."""
    rng = np.random.default_rng(seed)
    arms = {"variants": {"a": 1, "b": 1, "c": 1e6}}
    if seed % 3 == 0:
        arms = {"factors": {"colour": ["red", "blue"], "size": ["small", "large"]}}
    one = Experiment.model_validate(
        {
            **{"name": "hero", "status": "running", "start": START, **arms},
            "end": START + timedelta(days=14) if seed % 2 else None,
            "goals": ["share", "sum", "p90"],
            "guardrails": ["basket", "back"],
        }
    )
    found = {name: measured_metric(rng, metric, one.arms) for name, metric in METRICS.items()}
    units = {arm: int(rng.choice(SIZES)) for arm in one.arms}
    n_several = int(rng.choice([0, 0, 1, 10]))
    return one, Measured(found, units, n_several, units)


def analysed(seed, as_of):
    one, found = case(seed)
    metrics = [METRICS[name] for name in (*one.goals, *one.guardrails)]
    rows = result_rows(one, metrics, found, CONFIG, as_of)
    given = {"findings": Findings(), "config": CONFIG, "as_of": as_of}
    return one, found, rows, judge(one, METRICS, found, rows, **given)


def documented(page):
    """Returns the statuses in the first column of the tables of a page."""
    return set(re.findall(r"^\| `(\w+)` \|", (DOCS / page).read_text(), re.MULTILINE))


KNOWN = {*STATUSES, "missing_cell"}


def test_every_status_and_fault_is_documented():
    assert documented("experiments-statistics.md") >= KNOWN
    assert documented("experiments-analysis.md") >= KNOWN | FAULTS.keys()


@pytest.mark.parametrize("first", range(0, 240, 60))
def test_whatever_was_measured_no_number_is_none_and_there_is_a_status_and_a_sentence(first):
    for seed, days in zip(range(first, first + 60), itertools.cycle((3, 14)), strict=False):
        as_of = START + timedelta(days=days)
        one, _, rows, judgement = analysed(seed, as_of)
        for row in rows:
            numbers = row.values(one, judgement.srm_p_value)
            odd = {
                n: v for n, v in numbers.items() if isinstance(v, float) and not math.isfinite(v)
            }
            assert not odd, (seed, row)
            assert row.estimate.status in KNOWN, (seed, row)
            if row.estimate.status == "ok":
                needed = ["value", "value_baseline", "effect", "effect_low", "effect_high"]
                needed += ["p_value"] if row.method != "bayes" else ["statistic"]
                assert None not in [getattr(row.estimate, n) for n in needed], (seed, row)
            if (low := row.estimate.effect_low) is not None:
                assert low <= row.estimate.effect <= row.estimate.effect_high, (seed, row)
            for p in (row.estimate.p_value, row.p_adjusted):
                assert p is None or 0 <= p <= 1, (seed, row)
        assert judgement.verdict in ("ship", "stop", "keep_running", "broken")
        named = [*one.goals, *one.guardrails]
        treated = [arm for arm in one.arms if arm != one.control]
        starts = [f"{metric}: {arm} " for metric in named for arm in treated]
        for text, start in zip(judgement.sentences, starts, strict=True):
            assert text.startswith(start), (seed, text)
            assert text.endswith("."), (seed, text)
        told = " ".join((judgement.why, *judgement.sentences, *judgement.warnings))
        assert not re.search(r"\b(nan|inf|None)\b", told), (seed, told)
        assert judgement.why
        assert f"`{judgement.reason}`" in PAGE, (seed, judgement)


@pytest.mark.parametrize("seed", range(0, 4))
def test_the_report_is_drawn_whatever_was_measured(seed):
    as_of = START + timedelta(days=14)
    one, found, rows, judgement = analysed(seed, as_of)
    page = render(Report(one, METRICS, found, rows, judgement, CONFIG, as_of))
    text = re.sub(r"<svg.*?</svg>|<style.*?</style>", "", page, flags=re.DOTALL)
    assert not re.search(r">\s*[-+]?(nan|inf|None)\b", text)


def test_odd_values_are_among_the_cases():
    """The law is worth what its cases are."""
    found = Counter()
    for seed in range(60):
        _, _, rows, judgement = analysed(seed, START + timedelta(days=14))
        found.update(row.estimate.status for row in rows)
        found[judgement.verdict] += 1
        assert asdict(judgement)
    assert found.keys() >= KNOWN - {"few_events"}, KNOWN - found.keys()
