"""Metrics as data: what conf/metrics may say."""

from __future__ import annotations

import pytest
import yaml

from sparkperso.cli.config_check import Check
from sparkperso.config.metrics import Metric, load_metrics
from sparkperso.core.errors import ConfigError

BUYS = {"of": {"event_type": "purchase"}}


@pytest.fixture
def conf(tmp_path):
    (tmp_path / "metrics").mkdir()

    def write(name, **fields):
        (tmp_path / "metrics" / f"{name}.yaml").write_text(yaml.safe_dump(fields))
        return tmp_path

    return write


def test_all_shipped_metrics_are_valid_and_say_what_they_mean():
    metrics = load_metrics()
    assert {"conversion", "revenue_per_user", "click_through", "bounce_rate"} <= set(metrics)
    assert all(metric.description for metric in metrics.values())
    assert {metric.kind for metric in metrics.values()} == {
        "proportion",
        "mean",
        "ratio",
        "quantile",
        "retention",
    }


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"kind": "ratio", **BUYS}, "give 'denominator'"),
        ({"kind": "mean", "denominator": BUYS, **BUYS}, "leave out 'denominator'"),
        ({"kind": "quantile", **BUYS}, "give 'quantile'"),
        ({"kind": "retention"}, "give 'day'"),
        ({"kind": "mean", "cap": 1, "cap_quantile": 0.9, **BUYS}, "not both"),
        ({"kind": "proportion", "cap": 1, **BUYS}, "has no cap"),
        ({"kind": "ratio", "denominator": BUYS, "methods": ["bootstrap"], **BUYS}, "are for means"),
        ({"kind": "mean", "value": "sessions", "less": {"event_type": "refund"}}, "'less'"),
        ({"kind": "mean", "value": "metadata.", **BUYS}, "value"),
        ({"kind": "mean", "complete_windows": True, **BUYS}, "needs window_days"),
        ({"kind": "median", **BUYS}, "kind"),
        ({"kind": "mean", "window": 3, **BUYS}, "window"),
    ],
)
def test_what_does_not_fit_is_named(conf, fields, fault):
    with pytest.raises(ConfigError, match=r"m\.yaml") as error:
        load_metrics(conf("m", **fields), ["m"])
    assert fault in str(error.value)


def test_a_metric_without_a_file_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="conversion"):
        load_metrics(names=["convertion"])


def test_windows_of_retention_begin_on_its_day():
    metric = Metric(name="back", kind="retention", day=7)
    assert (metric.start_days, metric.end_days, metric.waits) == (7, 8, True)
    plain = Metric(name="buys", kind="mean", window_days=14, of={"event_type": "purchase"})
    assert (plain.start_days, plain.end_days, plain.waits) == (0, 14, False)


def test_event_types_of_no_tracking_plan_are_faults_of_the_configuration(conf):
    folder = conf(
        "odd",
        kind="ratio",
        of={"event_type": "purchase"},
        denominator={"of": {"event_type": "purchas"}},
    )
    check = Check("local", folder, ())
    check.run()
    assert [f for f in check.faults if "odd.yaml" in f and "'purchas'" in f and "purchase" in f]
    assert check.counts["metrics"] == len(load_metrics(folder))
