"""docs/architecture.md says which packages there are and whom they import; the code must agree."""

from __future__ import annotations

import re
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
PACKAGE = "sparkperso"


def documented():
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    return {part: set(re.findall(r"`(\w+)`", imports)) for part, imports in rows}


def actual():
    graph = grimp.build_graph(PACKAGE)
    found = {}
    for module in graph.modules - {PACKAGE}:
        part = module.split(".")[1]
        imports = {
            name.split(".")[1]
            for name in graph.find_modules_directly_imported_by(module)
            if name != PACKAGE
        }
        found.setdefault(part, set()).update(imports - {part})
    return found


def test_the_table_lists_each_package_and_what_it_imports():
    assert documented() == actual()


MOST_MODULES = 15
LARGER = {
    "cli": 18,
    "config": 26,
    "core": 20,
    "ingest": 18,
    "platform": 18,
    "services/http": 20,
    "testing": 22,
}
"""Packages of many small modules that no division would make clearer."""


def test_no_package_outgrows_its_bound():
    root = ROOT / "src" / PACKAGE
    for folder in {path.parent for path in root.rglob("*.py")}:
        name = folder.relative_to(root).as_posix()
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= LARGER.get(name, MOST_MODULES), name
