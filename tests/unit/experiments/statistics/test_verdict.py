"""The verdict: what breaks an experiment, what stops, what ships; never from what is not known."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from tests.unit.experiments.statistics.groups import LEVEL

from sparkperso.core.errors import UsageError
from sparkperso.experiments.statistics.checks.sample_ratio import sample_ratio
from sparkperso.experiments.statistics.comparison import means, proportions
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.experiments.statistics.verdict import (
    FAULTS,
    Conduct,
    MetricResult,
    decide,
    sentence,
)

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
HALF = {"grey": 0.5, "red": 0.5}


def result(lift, variant="red", metric="conversion", **fields):
    """10,000 units a side at 10 %; a lift of 10 % is found by far."""
    treated = Moments.from_counts(round(1000 * (1 + lift)), 10_000)
    estimate = proportions(treated, Moments.from_counts(1000, 10_000), significance_level=LEVEL)
    return MetricResult(metric, variant, estimate, **{"is_share": True, **fields})


def conduct(**fields):
    """By default two weeks of a sequential experiment without an end."""
    units = fields.pop("units", {"grey": 10_000, "red": 10_000})
    return Conduct(
        **{
            "units": units,
            "baseline": "grey",
            "started_at": START,
            "as_of": START + timedelta(days=14),
            "is_sequential": True,
            "sample_ratio": sample_ratio(units, dict.fromkeys(units, 1.0)),
            **fields,
        }
    )


BETTER, EVEN, WORSE = result(0.15), result(0.0), result(-0.15)
SAFE, HARMED = (result(lift, metric="bounce", is_higher_better=False) for lift in (0.0, 0.15))
UNKNOWN = MetricResult(
    "revenue", "red", means(Moments.empty(), Moments.empty(), significance_level=LEVEL)
)
ZERO = Moments.from_rows([0.0] * 50)
STILL = MetricResult("refunds", "red", means(ZERO, ZERO, significance_level=LEVEL))
OVER = {"ends_at": START + timedelta(days=14)}
FIXED = {"is_sequential": False}


@pytest.mark.parametrize(
    ("goals", "guardrails", "fields", "decision", "reason"),
    [
        ([BETTER], [SAFE], {}, "ship", "goal_better"),
        ([BETTER], [], FIXED, "keep_running", "undecided"),
        ([BETTER], [], {**FIXED, **OVER}, "ship", "goal_better"),
        ([BETTER], [], {**FIXED, "planned_units": 20_000}, "ship", "goal_better"),
        ([BETTER], [], {**FIXED, "planned_units": 20_001}, "keep_running", "undecided"),
        ([BETTER], [], {"as_of": START + timedelta(days=3)}, "keep_running", "under_a_week"),
        ([EVEN], [SAFE], {}, "keep_running", "undecided"),
        ([EVEN], [SAFE], OVER, "stop", "no_gain"),
        ([EVEN, BETTER], [SAFE], {}, "ship", "goal_better"),
        ([WORSE], [], {}, "stop", "goal_worse"),
        ([WORSE, replace(BETTER, metric="clicks")], [], {}, "keep_running", "undecided"),
        ([WORSE, replace(BETTER, metric="clicks")], [], OVER, "stop", "no_gain"),
        ([BETTER], [HARMED], {}, "stop", "guardrail_harmed"),
        # Before the end of an experiment with one look only what is beyond doubt stops it.
        ([EVEN], [HARMED], FIXED, "stop", "guardrail_harmed"),
        ([EVEN], [result(-0.07, metric="orders")], FIXED, "keep_running", "undecided"),
        ([EVEN], [result(-0.07, metric="orders")], {}, "keep_running", "undecided"),
        ([BETTER], [UNKNOWN], {}, "keep_running", "guardrail_unmeasured"),
        ([BETTER], [UNKNOWN], OVER, "stop", "guardrail_unmeasured"),
        ([BETTER], [STILL], {}, "ship", "goal_better"),
        ([UNKNOWN], [], {}, "keep_running", "undecided"),
        ([UNKNOWN], [], OVER, "broken", "no_goal_measured"),
        ([STILL], [], OVER, "broken", "no_goal_measured"),
        ([UNKNOWN, BETTER], [], {}, "ship", "goal_better"),
        ([], [], OVER, "stop", "no_goals"),
        ([], [], {}, "keep_running", "undecided"),
        ([BETTER], [], {"as_of": START - timedelta(days=1)}, "keep_running", "not_started"),
        ([BETTER], [], {"started_at": None}, "keep_running", "not_started"),
        ([BETTER], [], {"multiple_share": 0.02}, "broken", "multiple_exposures"),
        ([BETTER], [], {"multiple_share": float("nan")}, "broken", "multiple_exposures"),
        ([BETTER], [], {"multiple_share": 0.01}, "ship", "goal_better"),
        ([BETTER], [], {"units": {"grey": 10_000, "red": 9}}, "broken", "sample_ratio_mismatch"),
        ([UNKNOWN], [], {"units": {"grey": 4, "red": 0}}, "keep_running", "undecided"),
        ([UNKNOWN], [], {"units": {"grey": 4, "red": 0}, **OVER}, "broken", "missing_variant"),
        ([UNKNOWN], [], {"units": {"grey": 0, "red": 0}}, "broken", "nobody_exposed"),
        (
            [UNKNOWN],
            [],
            {"units": {"grey": 0, "red": 0}, "as_of": START + timedelta(hours=5)},
            "keep_running",
            "no_units_yet",
        ),
    ],
)  # fmt: skip
def test_verdicts(goals, guardrails, fields, decision, reason):
    verdict = decide(goals, guardrails, conduct(**fields))
    assert (verdict.decision, verdict.reason) == (decision, reason)
    assert verdict.why.endswith(".")
    assert (verdict.variant == "red") == (decision == "ship")
    assert len(verdict.sentences) == len(goals) + len(guardrails)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_breaks_it_whatever_the_figures(fault):
    for goal in (BETTER, WORSE, UNKNOWN):
        verdict = decide([goal], [], conduct(faults=[fault]))
        assert (verdict.decision, verdict.reason) == ("broken", fault)
        assert FAULTS[fault] in verdict.why


def test_the_corrected_p_value_decides():
    assert BETTER.estimate.p_value < 0.01
    assert decide([replace(BETTER, p_adjusted=0.2)], [], conduct()).decision == "keep_running"
    assert decide([replace(BETTER, p_adjusted=float("nan"))], [], conduct()).reason == "undecided"


def test_a_handful_of_events_decides_nothing():
    groups = (Moments.from_counts(9, 10_000), Moments.from_counts(0, 10_000))
    estimate = proportions(*groups, significance_level=LEVEL)
    assert estimate.status == "few_events"
    assert estimate.p_value < 0.01
    few = MetricResult("orders", "red", estimate)
    assert decide([few], [], conduct(**OVER)).reason == "no_gain"
    assert sentence(few, "grey", LEVEL).endswith("too few events to decide by.")


def test_of_several_variants_the_best_that_harms_none_is_shipped():
    units = dict.fromkeys(("grey", "red", "blue", "green"), 10_000)
    goals = [result(0.15, v) for v in ("red", "green")] + [result(0.3, "blue")]
    at = conduct(units=units)
    assert decide(goals, [], at).variant == "blue"
    harmed = [result(0.2, "blue", "bounce", is_higher_better=False)]
    assert decide(goals, harmed, at).variant == "red"
    everywhere = [result(0.2, v, "bounce", is_higher_better=False) for v in units if v != "grey"]
    assert decide(goals, everywhere, at).reason == "guardrail_harmed"
    # Where less is better the best is the lowest.
    goals = [
        result(lift, variant, "bounce", is_higher_better=False)
        for variant, lift in (("red", -0.15), ("green", -0.3))
    ]
    assert decide(goals, [], at).variant == "green"


def test_no_combination_of_bad_input_ships():
    """Ships need a goal that is known to be better: all others, in all circumstances, do not."""
    units = [{"grey": 0, "red": 0}, {"grey": 1, "red": 1}, {"grey": 10_000, "red": 10_000}]
    for goals, of, ends, is_sequential in itertools.product(
        [[UNKNOWN], [STILL], [EVEN], [WORSE], []], units, [None, START], [True, False]
    ):
        at = conduct(units=of, ends_at=ends, is_sequential=is_sequential)
        assert decide(goals, [SAFE], at).decision != "ship"


def test_sentences_are_plain():
    assert sentence(BETTER, "grey", LEVEL) == (
        "conversion: red 11.5 %, grey 10 %, +15.0 % (95 % interval +6.2 % to +24.6 %), "
        "p = 0.00062: better."
    )
    assert sentence(UNKNOWN, "grey", LEVEL) == (
        "revenue: red cannot be compared with grey: a group has fewer units than the method needs."
    )
    around = Moments.from_rows(np.arange(50.0) - 24.5)
    estimate = means(around.merge(around), around, significance_level=LEVEL)
    told = sentence(MetricResult("balance", "red", estimate), "grey", LEVEL)
    assert "a difference of 0 (95 % interval −5" in told
    assert told.endswith("no difference that chance does not explain.")
    notes = decide([BETTER], [], conduct(notes=["The effect wears off."])).sentences
    assert notes[-1] == "The effect wears off."


@pytest.mark.parametrize(
    ("goals", "fields"),
    [
        ([result(0.1, "purple")], {}),
        ([result(0.1, "grey")], {}),
        ([BETTER], {"faults": ["bad_luck"]}),
        ([BETTER], {"baseline": "black"}),
    ],
)
def test_what_belongs_to_no_experiment_is_refused(goals, fields):
    with pytest.raises(UsageError):
        decide(goals, [], conduct(**fields))


def test_before_one_planned_look_only_harm_beyond_doubt_stops():
    """p of 0.017 is harm to who may look at any time, and not yet to who may look once."""
    harm = result(-0.1, metric="orders")
    assert 0.001 < harm.estimate.p_value < LEVEL
    assert decide([EVEN], [harm], conduct()).reason == "guardrail_harmed"
    assert decide([EVEN], [harm], conduct(**FIXED)).reason == "undecided"
    assert decide([EVEN], [harm], conduct(**FIXED, **OVER)).reason == "guardrail_harmed"
