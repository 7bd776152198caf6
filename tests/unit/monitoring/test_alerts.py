"""Alerts: one row for as long as something is out of the ordinary; models that only seem better."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from statsmodels.stats.proportion import proportions_ztest

from sparkperso.config.monitoring.checks import Limits, OverfitConfig
from sparkperso.monitoring.alerts import open_critical, reconcile
from sparkperso.monitoring.checks.advice import ADVICE, advised
from sparkperso.monitoring.checks.finding import Finding, above, below
from sparkperso.monitoring.checks.overfit import ModelFigures, fall_p, judge_models

NOW = datetime(2026, 3, 30, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def finding(status, subject="clicks", value=1.0):
    return Finding("volume", subject, status, f"{subject} {status}", value, 5.0, "look")


def after(*runs):
    """Returns all alerts by id after runs that found these statuses of clicks."""
    alerts = {}
    for place, status in enumerate(runs):
        found = [] if status is None else [finding(status)]
        opened = [one for one in alerts.values() if one.status == "open"]
        for alert in reconcile(opened, found, NOW + place * HOUR, f"run{place}"):
            alerts[alert.alert_id] = alert
    return list(alerts.values())


def test_what_goes_on_is_one_row_with_the_latest_figures():
    (alert,) = after("warning", "critical", "critical")
    assert (alert.status, alert.severity) == ("open", "critical")
    assert (alert.first_seen, alert.last_seen) == (NOW, NOW + 2 * HOUR)
    assert open_critical([alert]) == [alert]


def test_what_is_in_order_again_is_resolved_and_what_comes_back_is_new():
    first, second = after("warning", "ok", "ok", "warning")
    assert (first.status, first.resolved_at, first.last_seen) == ("resolved", NOW + HOUR, NOW)
    assert (second.status, second.first_seen) == ("open", NOW + 3 * HOUR)
    assert first.alert_id != second.alert_id


def test_what_cannot_be_told_stays_and_what_is_looked_at_no_more_is_resolved():
    (alert,) = after("critical", "unknown")
    assert (alert.status, alert.last_seen) == ("open", NOW)
    (alert,) = after("critical", None)
    assert alert.status == "resolved"
    assert after("ok", "unknown") == []


@pytest.mark.parametrize("later", ["warning", "ok", None])
def test_of_two_alerts_on_one_subject_the_first_stays(later):
    """Two runs at once know nothing of each other."""
    (one,) = reconcile([], [finding("warning")], NOW, "run-a")
    (two,) = reconcile([], [finding("warning")], NOW + HOUR / 60, "run-b")
    found = [] if later is None else [finding(later)]
    told = {a.alert_id: a for a in reconcile([two, one], found, NOW + HOUR, "run-c")}
    assert told.keys() == {one.alert_id, two.alert_id}
    assert told[one.alert_id].status == ("open" if later == "warning" else "resolved")
    twin = told[two.alert_id]
    assert (twin.status, twin.message) == (
        "resolved",
        f"clicks is told by the alert {one.alert_id}",
    )


def test_every_check_has_its_advice():
    bad = [Finding(check, "s", "warning", "m") for check in ADVICE]
    assert all(one.to_do for one in advised(bad))
    assert [one.to_do for one in advised([Finding("volume", "s", "ok", "m")])] == [""]


def test_limits_are_passed_from_their_own_side():
    both = Limits(warning=2, critical=3)
    assert [above(v, both)[0] for v in (1, 2, 3)] == ["ok", "warning", "critical"]
    both = Limits(warning=3, critical=2)
    assert [below(v, both)[0] for v in (3, 2, 1)] == ["ok", "warning", "critical"]
    assert above(9, Limits()) == ("ok", None)


MODELS = [
    ModelFigures("1", 0.10, 500, 10_000),
    ModelFigures("2", 0.12, 380, 10_000),
    ModelFigures("3", 0.13, 420, 10_000),
    ModelFigures("4", 0.11, 200, 10_000),
]


def test_models_whose_validation_rose_while_clicks_fell_are_listed():
    found = {f.subject: f.status for f in judge_models(MODELS, OverfitConfig())}
    # Of 3 clicks rose; of 4 they fell, and so did its validation.
    assert found == {"model 2": "warning", "model 3": "ok", "model 4": "ok"}


@pytest.mark.parametrize(("served", "status"), [("2", "warning"), ("3", "ok"), (None, "warning")])
def test_a_model_that_is_champion_no_more_is_no_cause(served, status):
    """Its figures stay what they were: refresh would train for it every day."""
    found = {f.subject: f for f in judge_models(MODELS, OverfitConfig(), served)}
    assert found["model 2"].status == status
    assert found["model 2"].message.endswith("champion no more") is (served == "3")


def test_models_that_were_hardly_shown_or_have_no_validation_are_left_out():
    few = [MODELS[0], ModelFigures("2", 0.2, 0, 10), ModelFigures("3", None, 0, 10_000)]
    assert [f.status for f in judge_models(few, OverfitConfig())] == ["unknown"]
    assert [f.status for f in judge_models([], OverfitConfig())] == ["unknown"]


@pytest.mark.parametrize("clicks", [0, 300, 480, 520])
def test_the_test_is_statsmodels(clicks):
    now = ModelFigures("2", 0.2, clicks, 9_000)
    _, expected = proportions_ztest([clicks, 500], [9_000, 10_000], alternative="smaller")
    assert fall_p(MODELS[0], now) == pytest.approx(expected, abs=1e-12)


def test_chance_makes_few_alarms():
    rng = np.random.default_rng(1)
    config = OverfitConfig()
    found = 0
    for _ in range(2000):
        a, b = rng.binomial(5000, 0.05, 2)
        pair = [ModelFigures("1", 0.1, a, 5000), ModelFigures("2", 0.2, b, 5000)]
        found += judge_models(pair, config)[0].status == "warning"
    assert found <= 2000 * config.significance_level * 1.7


def test_a_fall_that_lists_by_popularity_share_is_the_days_and_not_the_models():
    before = ModelFigures("1", 0.15, 704, 1_231, 742, 1_588)
    days = ModelFigures("2", 0.28, 560, 1_231, 590, 1_588)
    alone = ModelFigures("2", 0.28, 560, 1_231, 742, 1_588)
    found = [judge_models([before, now], OverfitConfig())[0] for now in (days, alone)]
    assert [one.status for one in found] == ["ok", "warning"]
    assert "popularity on the same days 0.3715 after 0.4673" in found[0].message
    # Those of too few people say nothing: the fall counts as it is.
    few = [ModelFigures(m.version, m.validation, m.numerator, 1_231, 9, 20) for m in (before, days)]
    assert judge_models(few, OverfitConfig())[0].status == "warning"


def test_chance_makes_few_alarms_beside_lists_by_popularity():
    rng = np.random.default_rng(2)
    config = OverfitConfig()
    found = 0
    for _ in range(2000):
        a, b, c, d = rng.binomial(
            5000, (0.06, 0.03, 0.04, 0.02)
        )  # the second week is half the first
        pair = [ModelFigures("1", 0.1, a, 5000, c, 5000), ModelFigures("2", 0.2, b, 5000, d, 5000)]
        found += judge_models(pair, config)[0].status == "warning"
    assert found <= 2000 * config.significance_level * 1.7
