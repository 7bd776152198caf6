"""What becomes of a canary, by its verdict and the time that it is of."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from sparkperso.config.refresh.canary import CanaryConfig
from sparkperso.jobs.refresh.canary import Verdict, canary_of, decide

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
CANARY = canary_of("7", CanaryConfig(share=0.1, days=7), START)
END = START + timedelta(days=7)


def test_it_is_an_experiment_of_the_models_number():
    assert (CANARY.key, CANARY.control, CANARY.end) == ("canary:7", "champion", END)
    assert {name: arm.model for name, arm in CANARY.arms.items()} == {
        "champion": "champion",
        "candidate": "7",
    }
    assert CANARY.share("candidate") == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("verdict", "before", "after"),
    [
        ("ship", "wait", "promote"),
        ("stop", "stop", "stop"),
        ("broken", "stop", "stop"),
        ("keep_running", "wait", "stop"),
    ],
)
def test_only_a_verdict_of_its_end_ships_and_harm_stops_it_at_once(verdict, before, after):
    early = Verdict(verdict, "Because.", END - timedelta(seconds=1))
    late = Verdict(verdict, "Because.", END)
    for one, word in ((early, before), (late, after)):
        found, why = decide(CANARY, one)
        assert found == word
        assert "Because." in why


def test_without_a_verdict_it_goes_on_and_says_until_when():
    word, why = decide(CANARY, None)
    assert word == "wait"
    assert "2026-03-08 00:00 UTC" in why
