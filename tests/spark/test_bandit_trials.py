"""Trials of bandits: as plain Python counts them, each event once, days weighed alike."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import numpy as np
import pytest

from sparkperso.config.experiments.experiment import Experiment
from sparkperso.config.metrics import Metric
from sparkperso.core.errors import JobError
from sparkperso.experiments.analysis.exposures import exposure_events
from sparkperso.experiments.analysis.trials import bandit_trials
from sparkperso.experiments.bandits.shares import TrialSums
from sparkperso.platform.frames import Keeper
from sparkperso.testing.frames import events_frame, table_frame

START = datetime(2026, 3, 1)
AS_OF = START + timedelta(days=10)
HOUR = timedelta(hours=1)
BOUGHT = Metric(name="bought", kind="proportion", of={"event_type": "purchase"}, window_days=2)
CLICKED = Metric(
    name="clicked",
    kind="ratio",
    of={"event_type": "click"},
    denominator={"of": {"event_type": "exposure"}},
)


def bandit(name="hero", metric="bought", **fields):
    own = {"metric": metric, **fields.pop("bandit", {})}
    return Experiment(
        name=name, variants={"a": 1, "b": 1}, status="running", start=START, bandit=own, **fields
    )


def event(hours, kind, user="u", **fields):
    return {"user_id": user, "timestamp": START + hours * HOUR, "event_type": kind, **fields}


def shown(hours, variant, user="u", name="hero"):
    return event(hours, "exposure", user, metadata={"experiment": name, "variant": variant})


@pytest.fixture
def trials(spark):
    def find(rows, *pairs, as_of=AS_OF, history=None, most=200):
        events = events_frame(spark, rows)
        frame = history and table_frame(spark, "gold/segment_history", history)
        with Keeper():
            exposures = exposure_events(events, [one for one, _ in pairs])
            return bandit_trials(exposures, events, frame, pairs, as_of=as_of, most_segments=most)

    return find


def by_hand(rows, one):
    """The sums of one proportion, in plain Python."""
    exposures, purchases = defaultdict(dict), defaultdict(list)
    for row in rows:
        if row["event_type"] == "purchase":
            purchases[row["user_id"]].append(row["timestamp"])
        elif row["event_type"] == "exposure":
            key = row["timestamp"].date(), row["metadata"]["variant"]
            of_user = exposures[row["user_id"]]
            of_user[key] = min(of_user.get(key, row["timestamp"]), row["timestamp"])
    cells = defaultdict(lambda: [0, 0])
    for user, found in exposures.items():
        ordered = sorted((at, variant) for (_, variant), at in found.items())
        for place, (at, variant) in enumerate(ordered):
            until = ordered[place + 1][0] if place + 1 < len(ordered) else AS_OF + HOUR
            until = min(until, at + timedelta(days=2))
            cell = cells[at.date(), variant]
            cell[0] += 1
            cell[1] += any(at <= when < until for when in purchases[user])
    sums = {}
    for (day, variant), (n, successes) in cells.items():
        weight = sum(c[0] for (d, _), c in cells.items() if d == day) / n
        more = TrialSums(n, successes, weight * n, weight * successes, weight**2 * n)
        sums[variant] = sums.get(variant, TrialSums()).merge(more)
    assert set(sums) <= set(one.arms)
    return sums


def test_trials_are_those_that_plain_python_counts(trials):
    rng = np.random.default_rng(7)
    rows = []
    for number in range(60):
        user = f"u{number}"
        for _ in range(rng.integers(0, 7)):
            # Whole hours, so that moments coincide.
            rows.append(shown(int(rng.integers(0, 24 * 9)), str(rng.choice(["a", "b"])), user))
        for _ in range(rng.integers(0, 5)):
            rows.append(event(int(rng.integers(0, 24 * 9)), "purchase", user, value=1.0))
    one = bandit()
    found = trials(rows, (one, BOUGHT))[one.key]
    assert found.keys() == {""}
    expected = by_hand(rows, one)
    assert found[""].keys() == expected.keys() == {"a", "b"}
    for variant, sums in expected.items():
        got = found[""][variant]
        for name in ("n", "successes", "weight", "weighted", "squares"):
            assert getattr(got, name) == pytest.approx(getattr(sums, name), abs=1e-6), name


def test_an_event_counts_once_for_what_was_shown_last(trials):
    rows = [
        shown(1, "a"), shown(2, "a"), shown(5, "b"),
        event(6, "purchase", value=1.0), event(4, "purchase", user="v", value=1.0),
        shown(30, "a"), event(30 + 49, "purchase", value=1.0),
        # A tester, a variant that is none, a time before the start.
        shown(3, "a", user="tester"), shown(3, "c", user="w"), shown(-1, "a", user="w"),
    ]  # fmt: skip
    one = bandit(overrides={"tester": "a"})
    (found,) = trials(rows, (one, BOUGHT))[one.key].values()
    assert (found["a"].n, found["a"].successes) == (2, 0)
    assert (found["b"].n, found["b"].successes) == (1, 1)


def test_a_good_day_is_no_merit_of_who_was_shown_more_on_it(trials):
    rows = []
    # Both alike: half buy on the first day, none on the second; b has 10 %, then 90 %.
    for day, share, rate in ((0, 0.9, 0.5), (1, 0.1, 0.0)):
        for number in range(200):
            user, variant = f"d{day}u{number}", "a" if number < 200 * share else "b"
            rows.append(shown(24 * day + 1, variant, user))
            if number % 2 < 2 * rate:
                rows.append(event(24 * day + 2, "purchase", user, value=1.0))
    one = bandit()
    (found,) = trials(rows, (one, BOUGHT))[one.key].values()
    plain = {name: sums.successes / sums.n for name, sums in found.items()}
    assert plain == {"a": 0.45, "b": 0.05}
    assert found["a"].value == pytest.approx(0.25)
    assert found["b"].value == pytest.approx(0.25)
    recent = bandit(bandit={"recent_days": 9})
    (found,) = trials(rows, (recent, BOUGHT))[recent.key].values()
    assert found["a"].n == 20


def test_a_ratio_has_as_many_trials_as_are_below_the_line(trials):
    rows = [
        shown(1, "a"), shown(2, "a"), event(3, "click"), event(4, "click"), event(4, "click"),
        shown(1, "b", user="v"), shown(2, "b", user="v"), event(3, "click", user="v"),
    ]  # fmt: skip
    one, other = bandit(metric="clicked"), bandit("other")
    found = trials(rows, (one, CLICKED), (other, BOUGHT))
    assert found["other"] == {}
    of_a, of_b = found["hero"][""]["a"], found["hero"][""]["b"]
    # Three clicks on two that were shown: no more than two successes.
    assert (of_a.n, of_a.successes) == (2, 2)
    assert (of_b.n, of_b.successes) == (2, 1)


def test_segments_are_those_of_the_time_of_the_trial(trials):
    def changed(hours, segment, change):
        return {
            "user_id": "u", "segmentation": "audiences", "segment_id": segment, "change": change,
            "label": segment, "model_version": "1", "as_of": START + hours * HOUR,
            "assigned_at": START + hours * HOUR,
        }  # fmt: skip

    history = [
        changed(0, "audiences-new", "entered"),
        changed(24, "audiences-new", "left"),
        changed(24, "audiences-vip", "entered"),
        changed(24, "audiences-old", "entered"),
    ]
    rows = [shown(1, "a"), shown(25, "b"), shown(1, "a", user="nobody")]
    one = bandit(bandit={"by": "audiences"})
    found = trials(rows, (one, BOUGHT), history=history)[one.key]
    assert {segment: {v: sums.n for v, sums in of.items()} for segment, of in found.items()} == {
        "": {"a": 1}, "audiences-new": {"a": 1}, "audiences-old": {"b": 1},
    }  # fmt: skip
    with pytest.raises(JobError, match="at most 2 segments"):
        trials(rows, (one, BOUGHT), history=history, most=2)
