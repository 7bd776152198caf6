"""Official clients of GrowthBook and OpenFeature are the judges: they assign as we do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.experiments import conf_of
from tests.unit.services.serve.conftest import records

from sparkperso.config import load_settings
from sparkperso.config.experiments.load import load_experiments
from sparkperso.experiments.assignment.assign import place_of
from sparkperso.services.stores.factory import open_store
from sparkperso.testing.api import running_api
from sparkperso.testing.serving import release

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".tools" / "judges" / "bin" / "python"
TOKEN = "local-dev-token"
N, N_ASKED = 3_000, 300
IDS = [*(f"u{number}" for number in range(N - 4)), "Ümlaut", "漢字", "😀 id", "a@b.example"]
EXPERIMENTS = {
    "flag": {"variants": {"off": {"payload": False}, "on": {"payload": True}}},
    "thirds": {"variants": {"a": 1, "b": 1, "c": 1}},
    "covered": {"variants": {"a": 0.2, "b": 0.3, "c": 0.5}, "coverage": 0.37},
    "first": {"layer": {"name": "home", "range": [0, 0.4]}},
    "second": {"layer": {"name": "home", "range": [0.4, 1]}, "version": 3},
    "seeded": {"seed": "séed 😀", "variants": {"a": 1, "b": 9}},
    "mobile": {"where": {"context": "device_type", "one_of": ["mobile"]}},
    "desktop": {"where": {"not": {"context": "device_type", "one_of": ["mobile", "tablet"]}}},
    "visits": {"unit": "anonymous_id"},
    "cells": {"factors": {"text": ["short", "long"], "colour": {"red": 1, "blue": 3}}},
}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    conf = conf_of(folder, **EXPERIMENTS, over={"end": "2026-02-01"})
    lake = folder / "lake"
    release(open_store(load_settings("local", lake=str(lake))), records())
    limits = ("requests_per_second", "requests_per_second_and_address")
    sets = [word for name in limits for word in ("--set", f"security.limits.{name}=1e9")]
    with running_api(lake, "--conf-dir", str(conf), *sets, log=folder / "log") as running:
        yield running, load_experiments(conf)


def expected(experiments):
    """Name of the experiment → the variant of each id, None where it is not in it."""
    found = {}
    for name in EXPERIMENTS:
        one = experiments[name]
        arms = list(one.arms)
        places = [None if name == "desktop" else place_of(one, unit) for unit in IDS]
        found[name] = [None if place is None else arms[place] for place in places]
    return found


def judged(command, api, experiments):
    on = next(unit for unit in IDS if place_of(experiments["flag"], unit) == 1)
    asked = {"ids": IDS, "experiments": list(EXPERIMENTS), "on": on}
    done = subprocess.run(
        [*command, api.url, TOKEN, TOKEN],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def require_equal(found, experiments, n):
    for name, variants in expected(experiments).items():
        same = sum(one == other for one, other in zip(found[name], variants[:n], strict=True))
        assert same == n, f"{name}: {same} of {n}"


def test_clients_for_python_assign_everybody_as_we_do(api):
    running, experiments = api
    found = judged([PYTHON, ROOT / "tests" / "experiments_judge.py"], running, experiments)
    require_equal(found["growthbook"], experiments, N)
    require_equal(found["openfeature"], experiments, N_ASKED)
    assert found["details"] == {
        "boolean": {"value": True, "reason": "SPLIT", "error": None},
        "mismatch": {"value": True, "reason": "ERROR", "error": "TYPE_MISMATCH"},
        "missing": {"value": "own", "reason": "ERROR", "error": "FLAG_NOT_FOUND"},
        "context": {"value": "own", "reason": "ERROR", "error": "INVALID_CONTEXT"},
        "over": {"value": "a", "reason": "DISABLED", "error": None},
        "nobody": {"value": "own", "reason": "ERROR", "error": "GENERAL"},
    }


def test_clients_for_browsers_assign_everybody_as_we_do(api):
    running, experiments = api
    judge = ROOT / "web" / "test" / "experiments_judge.mjs"
    found = judged(["node", judge], running, experiments)
    require_equal(found["growthbook"], experiments, N)
    openfeature = found["openfeature"]
    require_equal(openfeature["found"], experiments, N_ASKED)
    assert openfeature["missing"] == {"value": "own", "errorCode": "FLAG_NOT_FOUND"}
    assert openfeature["statuses"] == [200, 304]
