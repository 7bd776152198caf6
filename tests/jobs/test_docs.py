"""The code in the documents runs as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from sparkperso.cli.job_commands import JOB_COMMANDS
from sparkperso.cli.main import run_cli
from sparkperso.config import load_settings

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


LIGHT = {"config", "runs", "tables"}


def commands_of(path):
    """Returns the `sparkperso` lines of a document's shell blocks, as arguments."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("sparkperso ")]


COMMANDS = commands_of(DOCS / "docs" / "troubleshooting.md")


@pytest.mark.parametrize("arguments", [c for c in COMMANDS if c[0] in LIGHT], ids=" ".join)
def test_a_command_of_the_troubleshooting_guide_runs(arguments, beside_a_lake, capsys):
    assert run_cli(arguments) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("arguments", [c for c in COMMANDS if c[0] not in LIGHT], ids=" ".join)
def test_a_job_of_the_troubleshooting_guide_has_right_options(arguments):
    name, *options = arguments
    # A command of its own: make_context leaves its own idea of --help in the one it is called on.
    bare = click.Command(name, params=JOB_COMMANDS[name].params)
    given = bare.make_context(name, options).params
    assert load_settings(assignments=given["assignments"])
