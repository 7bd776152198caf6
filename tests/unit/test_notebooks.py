"""The notebooks: Databricks' source format, text and code apart, and no logic of their own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from sparkperso.cli.job_commands import JOB_COMMANDS
from sparkperso.cli.main import cli
from sparkperso.core.errors import UsageError
from sparkperso.notebook import Suite, options_of
from sparkperso.testing.notebooks import (
    PARAMETERS,
    cells_of,
    is_text,
    run_notebook,
    sources_of,
    to_jupyter,
)

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_text_and_calls_but_no_logic(path):
    code = [cell for cell in cells_of(path) if not is_text(cell)]
    assert len(code) < len(cells_of(path))
    logic = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.If, ast.Lambda, ast.Try)
    for cell in code:
        assert not [node for node in ast.walk(ast.parse(cell)) if isinstance(node, logic)]
        assert "dbutils" not in cell


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_can_be_pointed_elsewhere(path):
    (cell,) = [cell for cell in cells_of(path) if cell.startswith(PARAMETERS)]
    names = {node.targets[0].id for node in ast.parse(cell).body}
    assert {"ENV", "LAKE", "SETTINGS"} <= names


def test_there_are_five():
    assert len(NOTEBOOKS) == 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_form_for_jupyter_is_in_step_has_outputs_and_shows_no_machine(path):
    text = path.with_suffix(".ipynb").read_text()
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert sources_of(notebook) == sources_of(to_jupyter(path)), "run scripts/make_notebooks.py"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in code) >= 3
    assert not [out for cell in code for out in cell.outputs if out.output_type == "error"]
    assert not re.search(r"/(tmp|home|root|work|Users)/", text)


@pytest.fixture
def write(tmp_path):
    def make(*cells, header="# Databricks notebook source"):
        path = tmp_path / "n.py"
        path.write_text("\n\n# COMMAND ----------\n\n".join([f"{header}\n{cells[0]}", *cells[1:]]))
        return path

    return make


def test_cells_share_names_and_show_values(write):
    path = write("# MAGIC %md\n# MAGIC # Title", "# Parameters\nA = 1", "B = A + 1", "display(B)")
    assert run_notebook(path, None, {}) == [2]
    assert run_notebook(path, None, {"A": 5}) == [6]


def test_an_error_names_its_cell_and_a_wrong_parameter_is_one(write):
    with pytest.raises(ZeroDivisionError) as error:
        run_notebook(write("1 / 0"), None, {})
    assert str(error.traceback[-1].path).endswith("n.py, cell 1")
    with pytest.raises(KeyError, match="no parameter B"):
        run_notebook(write("# Parameters\nA = 1"), None, {"B": 2})


def test_other_formats_and_mixed_cells_are_refused(write):
    with pytest.raises(ValueError, match="should begin with"):
        cells_of(write("A = 1", header="# %%"))
    with pytest.raises(ValueError, match="all code or all magic"):
        run_notebook(write("# MAGIC %md\nA = 1"), None, {})


def test_options_of_a_job_have_the_defaults_of_the_command_line():
    ingest = JOB_COMMANDS["ingest-events"]
    told = options_of(JOB_COMMANDS["build-segments"], {})
    assert told == {"pictures": None, "dry_run": False, "force": False}
    defaults = {"path": None, "stream": False, "available_now": False, "trigger": None}
    assert options_of(ingest, {"source": "shop"}) == {"source": "shop", **defaults}
    with pytest.raises(UsageError, match="Found sourse"):
        options_of(ingest, {"sourse": "shop"})


def test_looking_at_a_commands_options_leaves_its_help_alone():
    options_of(JOB_COMMANDS["promote-model"], {})
    answer = CliRunner().invoke(cli, ["promote-model", "--help"])
    assert "-h, --help" in answer.output


def test_a_suite_reads_a_conf_folder_over_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.setattr("sparkperso.notebook.require_delta", lambda spark: None)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "own.yaml").write_text("recommend: {seed: 7}\n")
    assert Suite(None, "local", conf_dir=str(tmp_path)).settings.recommend.seed == 7
    assert Suite(None, "local").settings.recommend.seed == 42
