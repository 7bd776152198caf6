"""The wheel and the source archive hold all that an installed package needs, or are refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from sparkperso.pipeline.registry import JOBS

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "node_modules", "__pycache__", "lake", "dist", "build")
WEB = ("sdk/sparkperso.js", "demo/shop.html")


def build(source, folder, *flags, **environment):
    """Builds as pip and uv do, by the backend; returns the process."""
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *flags, "-d", str(folder)],
        cwd=source,
        env={**os.environ, "PYTHONPATH": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout with the browser's files built."""
    if not (ROOT / "src/sparkperso/data/web/.stamp").is_file():
        pytest.fail("These tests need the built browser files: run make web, or setup_tests.sh")
    folder = tmp_path_factory.mktemp("checkout") / "sparkperso"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    shutil.copytree(
        ROOT / "src/sparkperso/data/web", folder / "src/sparkperso/data/web", dirs_exist_ok=True
    )
    for name in (".gitignore", "web/.npmrc"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def archives(checkout, tmp_path_factory):
    """The wheel of the checkout, and the wheel of the source archive of it."""
    folder = tmp_path_factory.mktemp("dist")
    both = build(checkout, folder, "-t", "sdist", "-t", "wheel")
    assert both.returncode == 0, both.stderr
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    again = folder / "again"
    unpacked = source.name.removesuffix(".tar.gz")
    # No node there: what is built comes with the archive.
    answer = build(folder / unpacked, again, "-t", "wheel", PATH="/nonexistent")
    assert answer.returncode == 0, answer.stderr
    return next(folder.glob("*.whl")), next(again.glob("*.whl"))


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_scripts_configuration_data_and_browser_files(archives):
    names = names_in(archives[0])
    assert {f"sparkperso/_jobs/{job.script}" for job in JOBS.values()} <= names
    assert {f"sparkperso/data/web/{name}" for name in WEB} <= names
    conf = {path.relative_to(ROOT / "conf").as_posix() for path in ROOT.glob("conf/**/*.*")}
    assert {f"sparkperso/_conf/{name}" for name in conf} <= names
    assert {"sparkperso/py.typed", "sparkperso/data/online_retail_2009_2010.parquet"} <= names


def test_the_wheel_of_the_source_archive_is_the_same(archives):
    assert names_in(archives[0]) == names_in(archives[1])


def test_the_wheel_knows_its_commands(archives, tmp_path):
    """From the wheel alone, in another folder: its own conf/ and its own scripts."""
    with zipfile.ZipFile(archives[0]) as archive:
        archive.extractall(tmp_path / "site")
    ran = {
        words: subprocess.run(
            [sys.executable, "-m", "sparkperso", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for words in (("config", "show"), ("jars", "--submit", "run"))
    }
    assert "cluster" not in ran["config", "show"]
    assert (
        f"{tmp_path}/site/sparkperso/_jobs/run.py --env cluster" in ran["jars", "--submit", "run"]
    )


def test_without_browser_files_and_node_a_wheel_is_refused(checkout, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(checkout, bare, ignore=shutil.ignore_patterns("tests", "docs", "benchmarks"))
    shutil.rmtree(bare / "src/sparkperso/data/web")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "env", "find", "sort", "xargs", "sha256sum", "dirname"):
        (tools / tool).symlink_to(shutil.which(tool))
    answer = build(bare, tmp_path / "dist", "-t", "wheel", PATH=str(tools))
    assert answer.returncode != 0
    assert "should hold the browser SDK" in answer.stderr
    assert "apt-get install nodejs npm" in answer.stderr
    without = build(bare, tmp_path / "dist", "-t", "wheel", SPARKPERSO_WITHOUT_WEB="1")
    assert without.returncode == 0, without.stderr


def test_pip_alone_is_told_what_works_together(archives):
    """It reads no lock: a next major of what broke before is kept out by the wheel itself."""
    with zipfile.ZipFile(archives[0]) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/METADATA"))
        metadata = archive.read(name).decode()
    needed = dict(re.findall(r"^Requires-Dist: ([\w-]+)(?:\[\w+\])?([^;\n]*)", metadata, re.M))
    for package in ("mlflow", "pandas", "numpy", "deltalake", "pydantic", "starlette"):
        assert "<" in needed[package], package
    assert (needed["pyspark"], needed["delta-spark"]) == ("==4.2.0", "==4.4.0")
