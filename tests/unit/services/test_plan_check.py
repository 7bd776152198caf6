"""What ingest is sure to refuse is said on arrival."""

from __future__ import annotations

import pytest

from sparkperso.config import load_named
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.services.collect.intake.plan_check import PlanCheck

RECEIVED = "2026-06-01T10:00:00.000000Z"
EVENT = {
    "user_id": "u",
    "event_type": "click",
    "timestamp": "2026-06-01T09:59:00.000000Z",
    "metadata": {},
    "context": {},
}


@pytest.fixture(scope="module")
def check():
    return PlanCheck(load_named("tracking_plans", "default", TrackingPlan))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"event_type": "signed_up"}, "unknown_type"),
        ({"event_type": "größe_gewählt"}, "unknown_type"),
        ({"event_type": "item_view"}, "missing"),
        ({"event_type": "item_view", "item_id": "  "}, "missing"),
        ({"event_type": "purchase"}, "missing"),
        ({"event_type": "group"}, "missing"),
        ({"event_type": "alias", "metadata": {"previous_id": None}}, "missing"),
        ({"event_type": "purchase", "value": -1}, "out_of_range"),
        ({"event_type": "scroll", "metadata": {"depth": "101"}}, "out_of_range"),
        ({"event_type": "scroll", "metadata": {"depth": "far"}}, "wrong_type"),
        ({"event_type": "scroll", "metadata": {"depth": [5]}}, "wrong_type"),
        ({"timestamp": "2026-06-01T10:11:00.000000Z"}, "future"),
        ({"timestamp": "2023-06-01T10:00:00.000000Z"}, "too_old"),
        ({"metadata": {str(n): n for n in range(101)}}, "too_large"),
        ({"user_id": " "}, "missing"),
        ({"user_id": "[object Object]"}, "wrong_type"),
        ({"item_id": "{3F2504E0-4F89}"}, "wrong_type"),
    ],
)
def test_a_refusal_is_foreseen(check, changes, code):
    assert check.refusal(EVENT | changes, RECEIVED).code == code


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"event_type": " CLICK "},
        {"event_type": "item_view", "item_id": "a"},
        {"event_type": "purchase", "value": 0},
        {"event_type": "scroll", "metadata": {"depth": "50"}},
        {"event_type": "scroll", "metadata": {"depth": "5d"}},
        {"timestamp": "2026-06-01T10:09:00.000000Z"},
        {"user_id": " ", "anonymous_id": "a"},
    ],
)
def test_what_may_be_taken_is_not_warned_of(check, changes):
    assert check.refusal(EVENT | changes, RECEIVED) is None
