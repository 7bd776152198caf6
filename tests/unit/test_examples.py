"""Examples in docstrings are true: each runs, and gives what it says.

Those that need a Spark session run with the tests of their package (tests/spark). Those that need
a finished lake are marked `doctest: +SKIP`: readers see it, and a test of their own holds them.
"""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import sparkperso

SOURCE = Path(sparkperso.__file__).parent


def modules_with_examples() -> list[str]:
    """Names of the modules with examples that need no session."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        starts = [line for line in lines if line.startswith((">>> ", "... "))]
        examples = [line for line in starts if "doctest: +SKIP" not in line]
        if examples and not any("spark." in line or "(spark" in line for line in examples):
            name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
            found.append(name.removesuffix(".__init__"))
    return found


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_are_true(name):
    result = doctest.testmod(import_module(name))
    assert result.attempted
    assert result.failed == 0
