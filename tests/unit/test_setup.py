"""Set-up: refuses what cannot work, names no machine, and every target says what it does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import machine_paths

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture
def setup(tmp_path):
    """Returns run(python), which runs the set-up script of an empty folder."""
    (tmp_path / "scripts").mkdir()
    for name in ("setup.sh", "pip_settings.sh"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")

    def run(python):
        return subprocess.run(
            [str(tmp_path / "scripts" / "setup.sh")],
            env={"PATH": "/usr/bin:/bin", "PYTHON": str(python)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_an_old_python_is_refused_in_one_paragraph(setup, tmp_path):
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    answer = setup(old)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "Python 3.10 to 3.13" in answer.stderr
    assert "Python 3.9.2" in answer.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_python_that_is_not_there_is_refused(setup, tmp_path):
    answer = setup(tmp_path / "nowhere")
    assert answer.returncode == 1
    assert "nowhere" in answer.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_a_hash_and_no_address(lock):
    text = lock.read_text()
    packages = re.findall(r"^[A-Za-z0-9._-]+==.*$", text, re.MULTILINE)
    assert packages
    assert all(line.endswith("\\") for line in packages)
    assert "://" not in text
    assert not [place for place in machine_paths() if place in text]


def test_node_packages_are_locked_by_hash_and_no_address():
    text = (ROOT / "web/package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert all("integrity" in facts for name, facts in packages.items() if name)
    assert '"resolved"' not in text
    assert "registry=" not in (ROOT / "web/.npmrc").read_text().replace(
        "omit-lockfile-registry", ""
    )


def test_the_lock_holds_what_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["spark"]]
    names = {re.match(r"[A-Za-z0-9_-]+", text).group().lower() for text in asked}
    locked = set(
        re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.M)
    )
    assert names <= locked


def test_the_extra_takes_the_pair_of_spark_and_delta_whose_jar_can_be_had():
    """pip reads the extra alone; the lock and the jars' cache hold the same pair."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extra = project["project"]["optional-dependencies"]["spark"]
    lock = (ROOT / "requirements.lock").read_text()
    assert all(re.fullmatch(r"[a-z-]+==[0-9.]+", one) for one in extra)
    assert all(f"\n{one} \\\n" in lock for one in extra)
    spark, delta = (one.split("==")[1] for one in extra)
    wanted = f"io.delta:delta-spark_{spark.rpartition('.')[0]}_2.13:{delta}"
    for path in ("README.md", "conf/cluster/platform.yaml", "src/sparkperso/platform/jars.py"):
        text = (ROOT / path).read_text().replace("{SCALA}", "2.13")
        assert wanted in text, path


def test_every_target_has_one_line_of_help():
    text = (ROOT / "Makefile").read_text()
    targets = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE).group(1).split())
    helped = re.findall(r"^([a-z-]+):.*## (.+)$", text, re.MULTILINE)
    assert {name for name, _ in helped} == targets
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(f"{name} " in listed and line in listed for name, line in helped)


def test_what_make_starts_keeps_compiled_modules():
    shown = ["make", "-s", "--eval", "shown: ; @echo [$$PYTHONDONTWRITEBYTECODE]", "shown"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        shown, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


@pytest.mark.parametrize(
    "script",
    [
        "scripts/setup.sh",
        "scripts/setup_tests.sh",
        "scripts/build_web.sh",
        "scripts/try_wheel.sh",
        ".ci/run",
    ],
)
def test_the_scripts_are_sound_bash(script):
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    assert "set -euo pipefail" in path.read_text()
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_continuous_integration_calls_check_and_test():
    text = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make check$", text, re.MULTILINE)
    assert re.search(r"^make wheel$", text, re.MULTILINE)
    assert re.search(r"^make test$", text, re.MULTILINE)
