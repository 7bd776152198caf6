"""The documents name only tables that there are."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest

from sparkperso.cli.job_commands import JOB_COMMANDS
from sparkperso.schemas import TABLES

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\b((?:bronze|silver|gold|ops)/[a-z_]*[a-z])(?![a-z_*])")
IMPORT = r"^from (sparkperso[\w.]*) import (?:\(([^)]*)\)|([\w, ]+))"
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


def test_where_a_number_is_names_files_that_there_are_and_at_most_six():
    text = (ROOT / "docs" / "where.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (.+) \|$", text, re.MULTILINE)[1:]
    assert len(rows) > 12
    for number, walk in rows:
        files = re.findall(r"`([\w/]+\.py)`", walk)
        assert 2 <= len(files) <= 6, number
        for file in files:
            assert (ROOT / "src" / "sparkperso" / file).is_file(), (number, file)
        for name in re.findall(r"`(\w+)`", walk):
            assert any(
                re.search(rf"def {name}\b", (ROOT / "src" / "sparkperso" / file).read_text())
                for file in files
            ), (number, name)


def test_documents_and_notebooks_import_from_packages_alone():
    """So that a module can move without a document."""
    for path in PLACES:
        text = path.read_text(encoding="utf-8")
        for module, whole, line in re.findall(IMPORT, text, re.MULTILINE):
            assert module.count(".") <= 1, (path.name, module)
            for name in re.findall(r"\w+", whole or line):
                assert getattr(import_module(module), name), (path.name, name)


def crontab():
    """The commands of the crontab lines of docs/cluster.md, without their times."""
    blocks = re.findall(
        r"^```crontab\n(.*?)^```$", (ROOT / "docs" / "cluster.md").read_text(), re.M | re.S
    )
    return [line.split(maxsplit=5)[5] for block in blocks for line in block.splitlines()]


def test_crontab_lines_need_neither_a_working_folder_nor_a_path():
    lines = crontab()
    assert len(lines) == 3
    for line in lines:
        assert "%" not in line  # cron takes it for the end of the line
        # What spark-submit's line begins with, as it would if sh had put it there.
        submitted = re.sub(r"\$\((\S+) jars --submit (\S+) --master \S+\)", r"\1 \2", line)
        for command in submitted.split(" && "):
            words = shlex.split(command)
            words = words[3:] if words[0] == "flock" else words
            assert words[0] == "/srv/shop/venv/bin/sparkperso"
            bare = click.Command(words[1], params=JOB_COMMANDS[words[1]].params)
            given = bare.make_context(words[1], words[2:]).params
            assert all(given[name].startswith("/") for name in ("lake", "path") if name in given)
