"""The documents name only tables that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparkperso.schemas import TABLES

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\b((?:bronze|silver|gold|ops)/[a-z_]*[a-z])(?![a-z_*])")
HISTORY = {"CHANGELOG.md"}
"""What it says was so when it was written."""
PLACES = [
    *(path for path in ROOT.glob("*.md") if path.name not in HISTORY),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "conf").rglob("*.yaml")),
    *sorted((ROOT / "notebooks").glob("*.py")),
]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_table_that_is_named_is_there(path):
    named = set(NAME.findall(path.read_text(encoding="utf-8")))
    assert named <= TABLES.keys()
