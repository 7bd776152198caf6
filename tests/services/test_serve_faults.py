"""What clients of the API see while things break: benchmarks/bench_serve_faults.py, in short."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "bench_serve_faults.py"
SPEC = importlib.util.spec_from_file_location("bench_serve_faults", FILE)
faults = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = faults
SPEC.loader.exec_module(faults)

# A file that is cut off, and a reload, stand in test_serve_process.py.
SHORT = ("redis", "publisher", "limit", "ids", "numbers", "tokens", "cms", "version")


@pytest.mark.parametrize("name", SHORT)
def test_no_error_of_ours_and_nobody_elses_data(name):
    seen = faults.run(name, 0.2)
    assert seen.faults == [], seen.row()
    assert seen.statuses.total() > 20


def test_all_faults_are_known():
    assert {*SHORT, "file", "reload"} == faults.FAULTS.keys()


def test_a_list_of_somebody_else_would_be_noticed():
    own = {"user_id": "u1", "items": [{"item_id": "u1-3"}, {"item_id": "popular-1"}]}
    assert not faults.shows_others("u1", own)
    assert faults.shows_others("u2", own)
    assert faults.shows_others("u1", {**own, "items": [{"item_id": "u10-3"}]})
