"""Cuts in time: disjoint, complete, in order; nothing of the answers leaks into training."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from sparkperso.config.recommend.section import InteractionsConfig, SplitConfig
from sparkperso.core.errors import QualityGateError
from sparkperso.platform.frames import Keeper
from sparkperso.recommend.data.folds import cut_times, latest_ratings, make_folds
from sparkperso.testing.frames import events_frame

START = datetime(2026, 1, 1)
CONFIG = InteractionsConfig(weights={"purchase": 1.0}, half_life_days=20)
SPLIT = SplitConfig(test_from=0.8, fold_ends=(0.5, 0.7))
N = 200


def purchases(n=N, seed=3):
    rng = random.Random(seed)
    return [
        {
            "user_id": f"u{rng.randrange(12)}" if rng.random() < 0.9 else None,
            "item_id": f"i{rng.randrange(15)}",
            "event_type": "purchase",
            "timestamp": START + timedelta(hours=7 * day),
        }
        for day in range(n)
    ]


@pytest.fixture(scope="module")
def events(spark):
    return events_frame(spark, purchases()).cache()


@pytest.fixture(scope="module")
def split(events):
    with Keeper():
        folds, test = make_folds(events, CONFIG, SPLIT, START + timedelta(days=365))
        yield [*folds, test]


def pairs(frame):
    return {tuple(row) for row in frame.select("user_id", "item_id").collect()}


def test_cuts_leave_the_asked_share_of_named_events_before_them(events):
    named = events.where("user_id is not null")
    for share, cut in zip((0.3, 0.8), cut_times(events, [0.3, 0.8]), strict=True):
        before = named.where(f"timestamp <= '{cut}'").count()
        assert before / named.count() == pytest.approx(share, abs=1 / N)


def test_folds_follow_each_other_and_end_where_the_test_begins(split):
    times = [time for fold in split for time in (fold.training.as_of, fold.ends_at)]
    assert times == sorted(times)
    assert [f.ends_at for f in split[:-1]] == [f.training.as_of for f in split[1:]]


def test_right_answers_are_new_to_users_who_are_known(split):
    for fold in split:
        known, answers = pairs(fold.training.interactions), pairs(fold.relevant)
        assert answers
        assert not known & answers
        assert {user for user, _ in answers} <= {user for user, _ in known}


def test_every_later_purchase_is_an_answer_known_or_cold(split, events):
    for fold in split:
        span = f"timestamp > '{fold.training.as_of}' AND timestamp <= '{fold.ends_at}'"
        later = pairs(events.where(f"{span} AND user_id IS NOT NULL"))
        known = pairs(fold.training.interactions)
        users = {user for user, _ in known}
        expected = {(u, i) for u, i in later if (u, i) not in known and u in users}
        assert pairs(fold.relevant) == expected
        cold = {u for u, _ in later} - users
        assert fold.cold_user_share == pytest.approx(
            len(cold) / len({u for u, _ in later}), abs=1e-6
        )


def test_what_happens_after_a_cut_does_not_change_its_training(spark, events):
    """The law against leaks: a future that is quite another one leaves no trace."""
    as_of = START + timedelta(days=365)
    short = SPLIT.model_copy(update={"fold_ends": (0.5,)})
    _, test = make_folds(events, CONFIG, short, as_of)
    cut = test.training.as_of
    past = [row for row in purchases() if row["timestamp"] <= cut]
    future = [{**row, "item_id": "new"} for row in purchases() if row["timestamp"] > cut]
    _, other = make_folds(events_frame(spark, past + future), CONFIG, short, as_of)
    assert other.training.as_of == cut
    frames = [fold.training.interactions.orderBy("user_id", "item_id") for fold in (test, other)]
    assert frames[0].collect() == frames[1].collect()
    assert frames[0].where(f"last_at > '{cut}'").isEmpty()


def test_the_latest_rating_counts(spark):
    rated = [
        {
            "user_id": "u",
            "item_id": "i",
            "event_type": "rating",
            "value": value,
            "timestamp": START + timedelta(days=day),
        }
        for value, day in ((2.0, 3), (5.0, 1))
    ]
    assert latest_ratings(events_frame(spark, rated)).collect() == [("u", "i", 2.0)]


def test_no_named_events_is_a_gate_not_a_crash(spark):
    anonymous = [{**row, "user_id": None} for row in purchases(5)]
    with pytest.raises(QualityGateError):
        cut_times(events_frame(spark, anonymous), [0.8])
