"""The code in the documents runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2]


def code_of(path):
    """Returns the Python blocks of a document, each at its own line numbers."""
    text = path.read_text()
    parts = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [("\n" * text.count("\n", 0, p.start(1)) + p.group(1)) for p in parts]


@pytest.fixture
def beside_a_lake(pipeline, tmp_path, monkeypatch):
    (tmp_path / "lake").symlink_to(pipeline.root)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["docs/case-study.md", "README.md"])
def test_the_code_of_a_document_runs(name, beside_a_lake, capsys):
    blocks, names = code_of(DOCS / name), {"__name__": name}
    assert blocks, f"{name} should hold Python blocks"
    for block in blocks:
        exec(compile(block, name, "exec"), names)
