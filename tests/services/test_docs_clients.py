"""The Python of docs/clients.md and docs/email.md runs as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sparkperso.testing.collector import running_collector

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = [
    (name, text)
    for name in ("clients.md", "email.md")
    for text in re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
]


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    with running_collector(tmp_path_factory.mktemp("docs")) as running:
        yield running


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_an_example_runs(collector, tmp_path, name, text):
    before = len(collector.lines())
    code = text.replace("http://127.0.0.1:8080", collector.url)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=tmp_path)
    sent = [json.loads(line)["event_type"] for line in collector.lines()[before:]]
    assert len(sent) == text.count(".track(")


def test_there_are_examples():
    assert len(EXAMPLES) == 4
