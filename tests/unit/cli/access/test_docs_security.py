"""docs/security.md: its commands, its settings and its code do what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml
from click.testing import CliRunner

from sparkperso.cli.main import cli
from sparkperso.config.security import SCOPES, SecurityConfig

PAGE = (Path(__file__).parents[4] / "docs" / "security.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_its_commands_run_and_print_what_is_shown():
    lines = [line for block in blocks("console") for line in block.splitlines()]
    commands = [line[2:] for line in lines if line.startswith("$ ")]
    assert len(commands) == 3
    for command in commands:
        answer = CliRunner().invoke(cli, shlex.split(command)[1:], catch_exceptions=False)
        assert answer.exit_code == 0
    shown = [line for line in lines if line.startswith(("The key", "For conf", "  api_keys"))]
    printed = CliRunner().invoke(cli, shlex.split(commands[0])[1:]).output
    assert len(shown) == 3
    for line in shown:
        assert line.partition("spk_")[0] in printed


def test_its_settings_are_valid():
    for block in blocks("yaml"):
        config = SecurityConfig.model_validate(yaml.safe_load(block)["security"])
        assert config.issuers["login"].algorithms == ("ES256",)


def test_its_code_makes_a_pseudonym(capsys):
    for block in blocks("python"):
        exec(compile(block, "docs/security.md", "exec"), {})
    assert re.fullmatch(r"k1:user_id:[0-9a-f]{32}\n", capsys.readouterr().out)


def test_it_names_all_scopes():
    told = PAGE.partition("Scopes of keys")[2].partition("None contains")[0]
    assert {*re.findall(r"`([a-z:]+)`", told)} == SCOPES
