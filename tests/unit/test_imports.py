"""Who may import whom: the contracts cover every module, and looking really stays light."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from tests.conftest import machine_paths

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "sparkperso"
if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def contracts():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {contract["id"]: contract for contract in tool["contracts"]}


def test_every_part_of_the_package_stands_in_a_layer(contracts):
    parts = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    parts |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    layers = " ".join(contracts["layers"]["layers"]).replace("|", " ").replace(":", " ").split()
    assert sorted(layers) == sorted(parts)


def test_light_modules_load_without_anything_heavy(contracts):
    names = contracts["light"]["source_modules"]
    code = (
        f"import sys\nfor name in {names!r}: __import__(name)\n"
        "print({'pyspark', 'delta', 'mlflow', 'pandas', 'scipy'} & set(sys.modules) or '')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == ""


EXPORTING = [
    f"sparkperso.{path.parent.name}"
    for path in sorted(PACKAGE.glob("*/__init__.py"))
    if "exporter(" in path.read_text()
]


@pytest.mark.parametrize("name", EXPORTING)
def test_what_a_package_exports_is_there_and_type_checkers_see_it(name):
    package = import_module(name)
    seen = re.findall(r"import (\w+) as \1$", Path(package.__file__).read_text(), re.MULTILINE)
    assert sorted(seen) == sorted(package.__all__)
    for export in package.__all__:
        assert callable(getattr(package, export))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = package.nothing_of_the_kind


def test_importing_the_packages_that_export_imports_nothing_heavy():
    names = ["sparkperso", *EXPORTING]
    code = (
        f"import sys\nfor name in {names!r}: __import__(name)\n"
        "print({'pyspark', 'delta', 'mlflow', 'pandas', 'scipy', 'numpy', 'pydantic'}"
        " & set(sys.modules) or '')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == ""


def test_the_packages_own_code_imports_no_export():
    """The contracts see modules: who may use the session and the lake is held by them."""
    named = re.compile(rf"^\s*from ({'|'.join(EXPORTING)}) import", re.MULTILINE)
    found = [path.name for path in PACKAGE.rglob("*.py") if named.search(path.read_text())]
    assert found == []


def test_the_session_is_built_in_one_place():
    found = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "SparkSession.builder" in path.read_text()
    ]
    assert found == ["platform/session.py"]


def test_no_job_names_this_machine():
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "conf").rglob("*.yaml")]:
        text = path.read_text()
        assert not [place for place in machine_paths() if place in text], path


def test_tables_are_read_and_written_in_one_place():
    """So that every reading is in the lineage; a stream's own state is no table of the lake."""
    marks = ('format("delta")', "DeltaTable.forPath", "DeltaTable.forName", "TableRef(")
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(mark in path.read_text() for mark in marks)
    }
    assert found == {"platform/lake.py"}
