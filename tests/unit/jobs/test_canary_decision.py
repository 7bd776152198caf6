"""What becomes of a canary, by its verdict and the time that it is of."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from sparkperso.config.experiments.experiment import EXPERIMENTS
from sparkperso.config.experiments.load import load_experiment
from sparkperso.config.experiments.started import change_fault, started_forms
from sparkperso.config.layers import own_files
from sparkperso.config.refresh.canary import CanaryConfig
from sparkperso.jobs.refresh import canary
from sparkperso.jobs.refresh.canary import CANARY as NAME
from sparkperso.jobs.refresh.canary import Verdict, begin, canary_of, decide, write

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


def test_a_process_that_is_killed_while_a_canary_begins_stops_no_service(tmp_path, monkeypatch):
    """What runs was started, at every moment; and the next one begins it all the same."""
    job = SimpleNamespace(conf_dir=tmp_path)
    (tmp_path / "base").mkdir()

    def is_sound():
        if NAME not in own_files(EXPERIMENTS, tmp_path):
            return True
        found = load_experiment(NAME, tmp_path)
        return found.status != "running" or change_fault(found, started_forms(tmp_path)) is None

    def killed(*_):
        raise KeyboardInterrupt

    for version in ("6", "7"):
        for name in ("record_start", "write"):
            with monkeypatch.context() as patch:
                patch.setattr(canary, name, killed)
                with pytest.raises(KeyboardInterrupt):
                    begin(job, canary_of(version, CanaryConfig(), START))
            assert is_sound()
        later = canary_of(version, CanaryConfig(share=0.3), START + timedelta(days=int(version)))
        begin(job, later)
        assert is_sound()
        assert load_experiment(NAME, tmp_path) == later
        write(job, later.model_copy(update={"status": "stopped"}))
    assert sorted(path.name for path in (tmp_path / EXPERIMENTS).iterdir()) == [
        *("canary.yaml", "started")
    ]
