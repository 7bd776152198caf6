"""What docs/content.md and docs/rules.md show is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from sparkperso.cli.main import cli
from sparkperso.config.content.assets import Content
from sparkperso.config.content.rules import ACTIONS, Rule
from sparkperso.config.content.slots import Slot
from sparkperso.rules.context import FIELDS, invalid_at_request
from sparkperso.testing.rules import CONDITION

DOCS = Path(__file__).parents[3] / "docs"


def blocks(page, language):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_files_of_the_page_on_content_are_sound():
    slot, content = (yaml.safe_load(block) for block in blocks("content.md", "yaml"))
    Slot.model_validate({"name": "hero", **slot})
    assert len(Content.model_validate({"name": "offers", **content}).bodies_of("bold")) == 3


def test_rules_and_conditions_of_the_page_on_rules_are_sound():
    whole, condition, actions = (yaml.safe_load(block) for block in blocks("rules.md", "yaml"))
    assert Rule.model_validate({"name": "it", **whole}).action == "show"
    assert invalid_at_request(CONDITION.validate_python(condition["if"])) == []
    assert set(actions) == set(ACTIONS) - {"show"}
    for name, action in actions.items():
        assert Rule.model_validate({"name": "it", name: action}).action == name


def test_every_field_of_a_request_is_explained():
    page = (DOCS / "rules.md").read_text(encoding="utf-8")
    assert [name for name in FIELDS if f"`{name}`" not in page] == []


def test_what_rules_list_prints_is_what_the_page_shows():
    page = (DOCS / "rules.md").read_text(encoding="utf-8")
    shown = re.search(r"^```\n(slot hero \(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert CliRunner().invoke(cli, ["rules", "list"]).output.startswith(shown[1])


@pytest.mark.parametrize("block", blocks("rules.md", "python"))
def test_the_code_of_the_page_runs(block):
    exec(compile(block, "docs/rules.md", "exec"), {})
