"""The browser SDK's own tests and types, by node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_parts_that_need_no_page(script):
    npm = shutil.which("npm")
    if npm is None or not (WEB / "node_modules").is_dir():
        pytest.fail("The SDK's tests need node 18, npm and their packages: run 'make web'")
    answer = subprocess.run(
        [npm, "run", "--silent", script],
        cwd=WEB,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CI": "true"},
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
