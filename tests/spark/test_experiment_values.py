"""Exposures and outcomes of units: as plain Python counts them, whatever comes."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from pyspark.sql import functions as F

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.experiments.section import ExperimentsConfig
from sparkperso.config.experiments.variants import Variant
from sparkperso.config.metrics import Metric
from sparkperso.experiments.analysis.daily import cumulative_moments, moments_by_age
from sparkperso.experiments.analysis.exposures import (
    exposure_events,
    exposure_problems,
    first_exposures,
)
from sparkperso.experiments.analysis.measure import measure
from sparkperso.experiments.analysis.plan import MetricPlan
from sparkperso.experiments.analysis.segments_at import memberships, with_segments
from sparkperso.experiments.analysis.unit_metrics import (
    moments_of,
    quantile_caps,
    read_moments,
    unit_metrics,
)
from sparkperso.experiments.analysis.unit_values import outcome_events, unit_terms
from sparkperso.experiments.statistics.moments import Moments
from sparkperso.platform.frames import Keeper
from sparkperso.testing.frames import events_frame

START = datetime(2026, 3, 1)
AS_OF = START + timedelta(days=10)
HOUR = timedelta(hours=1)
BUYS = {"event_type": "purchase"}


def experiment(name="hero", **fields):
    halves = {"a": Variant(weight=1.0), "b": Variant(weight=1.0)}
    fields = {"variants": halves, "status": "running", "start": START, **fields}
    return Experiment(name=name, **fields)


def at(hours, user="u", **fields):
    return {"user_id": user, "timestamp": START + hours * HOUR, **fields}


def shown(hours, user="u", variant="b", name="hero", **fields):
    metadata = {"experiment": name, "variant": variant, "decision_id": f"d{hours}"}
    return at(hours, user, event_type="exposure", metadata=metadata, **fields)


def bought(hours, user="u", value=1.0, **fields):
    return at(hours, user, event_type="purchase", value=value, **fields)


METRICS = [
    Metric(name="buys", kind="proportion", of=BUYS, window_days=3),
    Metric(name="twice", kind="proportion", of=BUYS, at_least=2),
    Metric(
        name="net", kind="mean", of=BUYS, value="sum_value", less={"event_type": "refund"}, cap=150
    ),
    Metric(name="capped", kind="mean", of=BUYS, value="sum_value", cap_quantile=0.8),
    Metric(name="basket", kind="ratio", of=BUYS, value="sum_value", denominator={"of": BUYS}),
    Metric(name="back", kind="retention", day=2),
    Metric(
        name="bounces",
        kind="ratio",
        of={"event_type": "page_view"},
        value="bounces",
        denominator={"of": {"event_type": "page_view"}, "value": "sessions"},
    ),
    Metric(name="stay", kind="mean", of={"event_type": "page_view"}, value="session_seconds"),
    Metric(name="depth", kind="mean", of={"event_type": "scroll"}, value="metadata.depth"),
]


@pytest.fixture(scope="module")
def click_stream():
    """Returns rows of events of 60 users on 16 days, with exposures from the fifth on."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(60):
        user = f"u{number}"
        if number % 6:
            first = float(rng.uniform(0, 24 * 8))
            rows += [shown(first + k, user, "ab"[number % 2]) for k in (0, 5.5)]
        for hours in rng.uniform(-24 * 6, 24 * 10, size=rng.integers(1, 30)):
            kind = rng.choice(["purchase", "refund", "page_view", "scroll"], p=[0.3, 0.1, 0.4, 0.2])
            fields = {"event_type": str(kind), "value": round(float(rng.gamma(2, 30)), 2)}
            if kind == "scroll":
                fields["metadata"] = {"depth": str(rng.choice(["25", "50", "deep"]))}
            if rng.random() < 0.5:
                fields["session_id"] = f"s{int(hours) // 3}"
            rows.append(at(float(hours), user, **fields))
    return rows


def counted(frame, plan, exposures):
    outcomes = outcome_events(exposures, frame, plan, lookback_days=5).cache()
    units = unit_terms(outcomes, plan, session_gap_minutes=30)
    first = unit_metrics(with_segments(exposures, None, ()), units, plan)
    caps = quantile_caps(first, plan)
    values = unit_metrics(with_segments(exposures, None, ()), units, plan, caps)
    return SimpleNamespace(outcomes=outcomes, values=values, caps=caps)


@pytest.fixture(scope="module")
def analysed(spark, click_stream):
    frame = events_frame(spark, click_stream)
    plan = MetricPlan({"hero": METRICS}, AS_OF)
    exposures = exposed(frame).cache()
    return SimpleNamespace(plan=plan, exposures=exposures, **vars(counted(frame, plan, exposures)))


def by_hand(rows, metric, cap=None):
    """Returns user → (variant, y, d, x, w), one event after the other."""
    found = {}
    events = sorted(
        (row for row in rows if row["timestamp"] <= AS_OF), key=lambda r: r["timestamp"]
    )
    exposures = {}
    for row in events:
        if row.get("event_type") == "exposure":
            exposures.setdefault(row["user_id"], (row["timestamp"], row["metadata"]["variant"]))
    for user, (exposed, variant) in exposures.items():
        own = [row for row in events if row["user_id"] == user]
        start = exposed + timedelta(days=metric.start_days)
        end = exposed + timedelta(days=metric.end_days) if metric.end_days else AS_OF + HOUR
        if metric.waits and end > AS_OF:
            continue
        after = [r for r in own if start <= r["timestamp"] < end]
        before = [r for r in own if exposed - timedelta(days=5) <= r["timestamp"] < exposed]
        y, x = (quantity(part, metric) for part in (after, before))
        d = w = 1.0
        if metric.denominator:
            d, w = (quantity(part, metric.denominator) for part in (after, before))
        if metric.is_share:
            y, x = float(y >= metric.at_least), float(x >= metric.at_least)
        elif cap or metric.cap:
            y, x = (min(value, cap or metric.cap) for value in (y, x))
        found[user] = (variant, y, d, x, w)
    return found


def quantity(rows, of):
    if of.is_of_sessions:
        ends, last = {}, {}
        # A session that was sent is one; others end where half an hour passes without an event.
        for row in (r for r in rows if kind_of(r, of.of)):
            session = row.get("session_id")
            if session is None:
                if None not in last or row["timestamp"] - last[None][1] > HOUR / 2:
                    last[None] = (row["timestamp"], row["timestamp"])
                session = last[None][0]
                last[None] = (session, row["timestamp"])
            ends.setdefault(session, []).append(row["timestamp"])
        if of.value == "session_seconds":
            return sum((times[-1] - times[0]).total_seconds() for times in ends.values())
        return float(len([t for t in ends.values() if of.value == "sessions" or len(t) == 1]))
    total = 0.0
    for row in rows:
        size = {"count": 1.0, "sum_value": row.get("value") or 0.0}.get(of.value)
        if of.value == "metadata.depth":
            depth = row.get("metadata", {}).get("depth", "")
            size = float(depth) if depth.isdigit() else 0.0
        total += size * kind_of(row, of.of) - (size * kind_of(row, of.less) if of.less else 0)
    return total


def kind_of(row, events):
    return events.event_type is None or row["event_type"] in events.event_type


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_unit_has_what_plain_python_counts(analysed, click_stream, metric):
    rows = analysed.values.where(F.col("metric") == metric.name).collect()
    found = {row.unit: (row.variant, row.y, row.d, row.x, row.w) for row in rows}
    expected = by_hand(click_stream, metric, analysed.caps.get(("hero", metric.name)))
    assert found.keys() == expected.keys()
    for user, values in expected.items():
        assert found[user][0] == values[0]
        assert found[user][1:] == pytest.approx(values[1:], abs=2e-6), user
    assert any(values[1] for values in expected.values())


def test_moments_are_those_of_the_units(analysed):
    rows = analysed.values.collect()
    for row in moments_of(analysed.values).collect():
        units = [r for r in rows if (r.metric, r.variant) == (row.metric, row.variant)]
        expected = Moments.from_rows(*([r[name] for r in units] for name in "ydxw"))
        found = read_moments(row.asDict())
        assert found.n == expected.n
        assert found.means == pytest.approx(expected.means, rel=1e-9, abs=1e-9)
        assert found.comoments == pytest.approx(expected.comoments, rel=1e-9, abs=1e-6)


def test_the_last_day_and_all_days_are_the_whole(analysed):
    """As of the last day the moments are those of all; ages add up to what was observed."""
    plan = analysed.plan.only(lambda _, metric: metric.name in ("buys", "net", "basket", "capped"))
    series = cumulative_moments(analysed.exposures, analysed.outcomes, plan, analysed.caps)
    wholes = {
        (row.metric, row.variant): read_moments(row.asDict())
        for row in moments_of(analysed.values).collect()
    }
    assert len(series) == 2 * 4
    for (_, metric, variant), days in series.items():
        whole, last = wholes[metric, variant], days[max(days)]
        assert last.n == whole.n
        assert last.mean("y") == pytest.approx(whole.mean("y"))
        assert last.variance("y") == pytest.approx(whole.variance("y"))
        if metric == "basket":
            assert last.covariance("y", "d") == pytest.approx(whole.covariance("y", "d"))
        sizes = [moments.n for moments in days.values()]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[-1]
    ages = moments_by_age(analysed.exposures, analysed.outcomes, plan, {})
    of_one = ages["hero", "basket", "a"]
    assert list(of_one) == list(range(len(of_one)))
    assert [m.n for m in of_one.values()] == sorted((m.n for m in of_one.values()), reverse=True)


def test_what_does_not_depend_on_partitions(spark, click_stream):
    plan = MetricPlan({"hero": METRICS}, AS_OF)
    found = []
    for n in (1, 7):
        frame = events_frame(spark, click_stream).repartition(n)
        exposures = exposed(frame)
        values = counted(frame, plan, exposures).values
        found.append(sorted(map(tuple, values.select("unit", "metric", *"ydxw").collect())))
    assert found[0] == found[1]


def exposed(frame, *experiments, as_of=AS_OF):
    """Returns the first exposures among events, of `experiment()` unless others are named."""
    chosen = experiments or (experiment(),)
    return first_exposures(exposure_events(frame, chosen), chosen, as_of)


def exposures_of(spark, rows, *experiments, as_of=AS_OF):
    frame = exposed(events_frame(spark, rows), *experiments, as_of=as_of)
    return {(row.experiment, row.unit): row for row in frame.collect()}


def test_the_first_exposure_counts_and_several_variants_are_told(spark):
    found = exposures_of(spark, [shown(5), shown(3, variant="a"), shown(9, "v")])
    assert found["hero", "u"].variant == "a"
    assert found["hero", "u"].decision_id == "d3"
    assert found["hero", "u"].n_variants == 2
    assert found["hero", "v"].n_variants == 1


@pytest.mark.parametrize("testers", [{"tester": "a"}, {}])
def test_only_exposures_of_a_running_experiment_of_its_own_units_and_variants_count(spark, testers):
    one = experiment(end=START + timedelta(days=4), overrides=testers)
    rows = [
        shown(-1, "early"),
        shown(24 * 4, "late"),
        shown(1, "odd", variant="c"),
        shown(1, "tester"),
        shown(1, None, anonymous_id="browser"),
        shown(1, "other", name="another"),
        shown(0, "first"),
        shown(24 * 4 - 0.1, "last"),
    ]
    counted = {"first", "last", *({"tester"} - testers.keys())}
    assert {unit for _, unit in exposures_of(spark, rows, one)} == counted
    shown_events = exposure_events(events_frame(spark, rows), [one])
    problems = exposure_problems(shown_events, [one], AS_OF)["hero"]
    assert (problems.unknown_variant, problems.without_unit, problems.out_of_time) == (1, 1, 2)


def test_each_experiment_has_units_of_its_own_kind_and_versions_are_apart(spark):
    browsers = experiment("page", unit="anonymous_id")
    again = experiment(version=2)
    rows = [
        shown(1, "u", name="page", anonymous_id="b1"),
        shown(2, None, name="page", anonymous_id="b2"),
        shown(3, "u", name="hero:2"),
        shown(4, "u"),
    ]
    found = exposures_of(spark, rows, browsers, again)
    assert set(found) == {("page", "b1"), ("page", "b2"), ("hero:2", "u")}
    assert found["page", "b1"].unit_kind == "anonymous_id"


def test_outcomes_before_the_exposure_do_not_count(spark):
    """Nor do those of others, and of one moment with the exposure they do."""
    rows = [shown(10), bought(9.99), bought(10), bought(11, "w"), shown(12, "v")]
    frame = events_frame(spark, rows)
    plan = MetricPlan({"hero": [Metric(name="n", kind="mean", of=BUYS)]}, AS_OF)
    values = counted(frame, plan, exposed(frame)).values
    assert {row.unit: (row.y, row.x) for row in values.collect()} == {"u": (1, 1), "v": (0, 0)}


def test_odd_values_count_nothing(spark):
    odd = [float("nan"), float("inf"), 1e300, None]
    rows = [shown(1), *(bought(2 + k, value=value) for k, value in enumerate(odd)), bought(9)]
    frame = events_frame(spark, rows)
    metric = Metric(name="n", kind="mean", of=BUYS, value="sum_value")
    plan = MetricPlan({"hero": [metric]}, AS_OF)
    values = counted(frame, plan, exposed(frame)).values
    assert values.first().y == 1.0


def test_segments_are_those_of_the_moment_of_the_exposure(spark):
    """What a user becomes afterwards may be the variant's doing."""
    columns = [*("user_id", "segment_id", "segmentation", "change"), "as_of", "assigned_at"]
    changes = [
        ("u", "s-1", "s", "entered", 0),
        ("u", "s-1", "s", "left", 5),
        ("u", "s-2", "s", "entered", 5),
        ("u", "r-1", "r", "entered", 1),
        ("v", "s-2", "s", "entered", 8),
    ]
    rows = [(*c[:4], START + c[4] * HOUR, START + c[4] * HOUR) for c in changes]
    history = spark.createDataFrame(rows, columns)
    exposures = exposed(
        events_frame(spark, [shown(4, "u"), shown(5, "v"), shown(9, "w")]), experiment()
    )
    found = with_segments(exposures, memberships(history, ["s", "r"]), ["s", "r"])
    assert {(r.unit, r.segmentation): r.segments for r in found.collect()} == {
        ("u", "s"): ["s-1"],
        ("u", "r"): ["r-1"],
        ("v", "s"): [],
        ("v", "r"): [],
        ("w", "s"): [],
        ("w", "r"): [],
    }


def test_without_any_exposure_there_is_nothing_and_no_failure(spark):
    frame = events_frame(spark, [bought(1)])
    plan = MetricPlan({"hero": METRICS}, AS_OF, unit_kinds=("anonymous_id", "user"))
    with Keeper():
        found = measure(exposed(frame), frame, None, plan, ExperimentsConfig())
    assert found["hero"].n_units == {}
    assert {metric.whole("a").n for metric in found["hero"].metrics.values()} == {0}
