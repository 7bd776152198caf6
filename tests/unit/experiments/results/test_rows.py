"""Rows and verdicts from moments, without Spark."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.config.metrics import Metric
from sparkperso.experiments.results.judge import Findings, judge, planned_units
from sparkperso.experiments.results.measured import Cell, Measured, MeasuredMetric
from sparkperso.experiments.results.rows import result_rows
from sparkperso.experiments.statistics.moments import Moments

START = datetime(2026, 3, 2)
BUYS = {"event_type": "purchase"}
CONVERSION = Metric(name="conversion", kind="proportion", of=BUYS, covariate=False)
REVENUE = Metric(name="revenue", kind="mean", of=BUYS, value="sum_value")
CONFIG = ExperimentsConfig()


def experiment(**fields):
    given = {
        "variants": {"a": 1, "b": 1, "c": 1},
        "status": "running",
        "start": "2026-03-02",
        "end": "2026-03-16",
        "goals": ["conversion"],
        "guardrails": ["revenue"],
        **fields,
    }
    return Experiment.model_validate({"name": "hero", **given})


def shares(counts, n=1000):
    """Returns a metric of proportions: variant → successes of n."""
    cells = [Cell(v, None, (), Moments.from_counts(k, n)) for v, k in counts.items()]
    return MeasuredMetric(cells=tuple(cells))


def amounts(means, n=1000, seed=1):
    rng = np.random.default_rng(seed)
    cells = []
    for variant, mean in means.items():
        x = rng.gamma(2, mean / 2, n)
        y = x * 0.5 + rng.gamma(2, mean / 4, n)
        cells.append(Cell(variant, None, (), Moments.from_rows(y, None, x)))
    return MeasuredMetric(cells=tuple(cells))


def measured(conversion=None, revenue=None, n=1000, **fields):
    metrics = {
        "conversion": shares(conversion or {"a": 100, "b": 100, "c": 100}, n),
        "revenue": revenue or amounts(dict.fromkeys("abc", 20.0), n),
    }
    units = dict.fromkeys("abc", n)
    return Measured(metrics, units, n_first=units, **fields)


def judged(one, found, as_of=None, **findings):
    at = as_of or datetime(2026, 3, 16)
    metrics = {"conversion": CONVERSION, "revenue": REVENUE}
    rows = result_rows(one, list(metrics.values()), found, CONFIG, at)
    return judge(
        one, metrics, found, rows, findings=Findings(**findings), config=CONFIG, as_of=at
    ), rows


def test_corrected_p_values_count_variants_and_goals_of_one_method():
    _, rows = judged(experiment(), measured({"a": 100, "b": 140, "c": 105}))
    plain = {r.variant: r for r in rows if (r.metric, r.method) == ("conversion", "plain")}
    assert plain["b"].p_adjusted == pytest.approx(2 * plain["b"].estimate.p_value)
    assert plain["c"].p_adjusted == pytest.approx(plain["c"].estimate.p_value)
    assert all(r.p_adjusted is None for r in rows if r.role == "guardrail" or r.method == "bayes")


def test_at_the_end_the_best_variant_is_shipped_and_before_it_a_wide_interval_decides():
    found = measured({"a": 100, "b": 138, "c": 105})
    last, _ = judged(experiment(), found)
    assert (last.verdict, last.variant, last.is_final) == ("ship", "b", True)
    early, _ = judged(experiment(), found, as_of=datetime(2026, 3, 12))
    assert (early.verdict, early.is_final) == ("keep_running", False)
    clear, _ = judged(experiment(), measured({"a": 100, "b": 230, "c": 105}), datetime(2026, 3, 12))
    assert (clear.verdict, clear.variant) == ("ship", "b")


def test_a_harmed_guardrail_is_never_shipped():
    found = measured({"a": 100, "b": 150, "c": 105}, amounts({"a": 20.0, "b": 15.0, "c": 20.0}))
    verdict, _ = judged(experiment(), found)
    assert verdict.verdict == "stop"
    assert any("revenue: b" in text and "worse" in text for text in verdict.sentences)


def test_a_metric_that_is_better_when_it_falls_is_read_so():
    falls = CONVERSION.model_copy(update={"better": "down"})
    one, found = experiment(guardrails=[]), measured({"a": 150, "b": 100, "c": 150})
    rows = result_rows(one, [falls], found, CONFIG, datetime(2026, 3, 16))
    verdict = judge(
        one,
        {"conversion": falls},
        found,
        rows,
        findings=Findings(),
        config=CONFIG,
        as_of=datetime(2026, 3, 16),
    )
    assert (verdict.verdict, verdict.variant) == ("ship", "b")


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (measured(n_several=60), "several variants"),
        (Measured({}, {}), "Nobody was exposed"),
        (
            Measured({}, {"a": 900, "b": 900, "c": 1400}, n_first={"a": 900, "b": 900, "c": 1400}),
            "weights",
        ),
        (Measured({}, {"a": 1}, n_first={"a": 1}), "Nobody saw b, c"),
    ],
)
def test_what_cannot_be_believed_is_broken(found, fault):
    verdict, _ = judged(experiment(), found)
    assert verdict.verdict == "broken"
    assert fault in verdict.why


def test_a_fault_beside_the_figures_breaks_it_and_is_told():
    verdict, _ = judged(experiment(), measured(), faults=["changed_after_start"], notes=["It was."])
    assert verdict.verdict == "broken"
    assert verdict.warnings == ("It was.",)


def test_without_an_end_it_is_over_with_the_planned_units_and_never_read_by_fixed_tests():
    one = experiment(end=None, mde=0.5)
    metrics = {"conversion": CONVERSION, "revenue": REVENUE}
    planned = planned_units(one, metrics, measured(), CONFIG)
    fixed = planned_units(experiment(mde=0.5), metrics, measured(), CONFIG)
    assert 2000 < fixed < 3500 < planned < 3 * fixed
    few, _ = judged(one, measured(n=500, conversion={"a": 50, "b": 55, "c": 52}))
    many, _ = judged(one, measured(n=4000, conversion={"a": 400, "b": 410, "c": 404}))
    assert (few.verdict, few.is_final) == ("keep_running", False)
    assert (many.verdict, many.is_final) == ("stop", False)
    # A fixed test would find b, and would find something in time wherever there is nothing.
    chance, rows = judged(one, measured(n=4000, conversion={"a": 400, "b": 460, "c": 404}))
    (plain,) = [r for r in rows if (r.method, r.variant, r.metric) == ("plain", "b", "conversion")]
    assert plain.p_adjusted < 0.1
    assert chance.verdict == "stop"


def test_a_stopped_experiment_is_over_as_it_stands():
    verdict, _ = judged(experiment(status="stopped"), measured(), as_of=datetime(2026, 3, 10))
    assert (verdict.verdict, verdict.is_final) == ("stop", True)


def test_effects_that_differ_by_segment_and_fade_with_time_are_told():
    n = 2000
    cells = [
        Cell(variant, "groups", (segment,), Moments.from_counts(k, n))
        for variant, segment, k in (
            ("a", "s1", 200), ("b", "s1", 200), ("a", "s2", 200), ("b", "s2", 400),
        )
    ]  # fmt: skip
    ages = {
        variant: {day: Moments.from_counts(k, n) for day, k in enumerate(counts)}
        for variant, counts in {"a": [100] * 6, "b": [240, 200, 170, 140, 115, 100]}.items()
    }
    metric = MeasuredMetric(cells=tuple(cells), ages=ages)
    units = {"a": 2 * n, "b": 2 * n}
    one = experiment(variants={"a": 1, "b": 1}, guardrails=[])
    verdict, rows = judged(one, Measured({"conversion": metric}, units, n_first=units))
    assert any("fades" in text for text in verdict.warnings)
    assert any("segments of groups" in text and "s2" in text for text in verdict.warnings)
    of_segments = {r.segment: r for r in rows if r.segmentation and r.method == "plain"}
    assert of_segments["s1"].estimate.effect == 0
    assert of_segments["s2"].estimate.effect == pytest.approx(0.1)


def test_days_stand_as_they_stood_until_something_happens():
    day = START.date()
    days = {
        "a": {day: Moments.from_counts(1, 10), day + timedelta(days=2): Moments.from_counts(5, 50)},
        "b": {day + timedelta(days=1): Moments.from_counts(2, 12)},
    }
    metric = MeasuredMetric(cells=shares({"a": 5, "b": 5}).cells, days=days)
    one = experiment(variants={"a": 1, "b": 1}, guardrails=[])
    rows = result_rows(
        one, [CONVERSION], Measured({"conversion": metric}, {}), CONFIG, datetime(2026, 3, 9)
    )
    told = [r for r in rows if r.method == "plain" and r.as_of < datetime(2026, 3, 9)]
    assert [(r.as_of.day, r.estimate.n, r.estimate.n_baseline) for r in told] == [
        (3, 0, 10),
        (4, 12, 10),
        (5, 12, 50),
    ]


def test_a_factorial_design_has_main_effects_and_interactions():
    one = experiment(
        variants={},
        factors={"colour": {"red": 1, "blue": 1}, "size": {"small": 1, "large": 1}},
        guardrails=[],
    )
    counts = {"red.small": 100, "red.large": 150, "blue.small": 200, "blue.large": 250}
    found = Measured({"conversion": shares(counts)}, dict.fromkeys(counts, 1000))
    rows = result_rows(one, [CONVERSION], found, CONFIG, datetime(2026, 3, 16))
    effects = {
        (r.method, r.variant, r.values(one, None)["baseline"]): round(r.estimate.effect, 9)
        for r in rows
        if r.method in ("main_effect", "interaction")
    }
    assert effects == {
        ("main_effect", "colour=blue", "colour=red"): 0.1,
        ("main_effect", "size=large", "size=small"): 0.05,
        ("interaction", "colour=blue × size=large", "colour=red × size=small"): 0.0,
    }


def test_a_quantile_alone_has_a_row_and_no_plan():
    p90 = Metric(name="conversion", kind="quantile", quantile=0.9, of=BUYS)
    rows = result_rows(experiment(), [p90], Measured({}, {}), CONFIG, datetime(2026, 3, 16))
    assert {r.method for r in rows} == {"quantile"}
    assert {r.estimate.status for r in rows} == {"too_few_units"}
    assert planned_units(experiment(), {"conversion": p90}, measured(), CONFIG) is None
