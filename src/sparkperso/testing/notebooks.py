"""Executes Databricks-format notebooks outside Databricks, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

HEADER = "# Databricks notebook source"
SEPARATOR = "# COMMAND ----------"
MAGIC = "# MAGIC"
PARAMETERS = "# Parameters"
JUPYTER = """# Jupyter, on this machine
from IPython.display import display

from sparkperso.notebook import local_session

spark = local_session()"""
HERE = """# Here
ENV, LAKE = ("local", "lake")"""


def cells_of(path: Path) -> list[str]:
    """Returns the cells; raises ValueError when the file is not of Databricks' source format."""
    header, _, body = path.read_text(encoding="utf-8").partition("\n")
    if header != HEADER:
        raise ValueError(f"{path} should begin with '{HEADER}', found '{header}'")
    return [cell.strip() for cell in body.split(SEPARATOR)]


def is_text(cell: str) -> bool:
    """Says whether a cell is of Markdown or another magic; a mixed cell is a ValueError."""
    magic = [line.startswith(MAGIC) for line in cell.splitlines() if line.strip()]
    if any(magic) and not all(magic):
        raise ValueError(f"A cell should be all code or all magic, found: {cell}")
    return all(magic)


def run_notebook(path: Path, spark: Any, parameters: Mapping[str, Any]) -> list[Any]:
    """Executes the code cells and returns what they gave to `display`, DataFrames as row lists.

    `parameters` replace the values of the cell that begins with '# Parameters'; a name that is not
    there is a KeyError. An error in a cell is raised as it is.
    """
    displayed: list[Any] = []
    names: dict[str, Any] = {
        "spark": spark,
        "display": lambda value: displayed.append(_rows(value)),
    }
    for number, cell in enumerate(cells_of(path), start=1):
        if is_text(cell):
            continue
        exec(compile(cell, f"{path.name}, cell {number}", "exec"), names)
        if cell.startswith(PARAMETERS):
            names.update({name: _known(names, name, parameters[name]) for name in parameters})
    return displayed


def to_jupyter(path: Path) -> Any:
    """Returns the notebook in Jupyter's form (nbformat 4), without outputs.

    Text becomes Markdown. What Databricks gives, `spark` and `display`, and where the tables are,
    is said by two cells more: Jupyter has none of it.
    """
    # Here, since nothing else needs it; its functions have no types.
    v4: Any = import_module("nbformat.v4")
    cells = [v4.new_code_cell(JUPYTER, id="jupyter")]
    for number, cell in enumerate(cells_of(path), start=1):
        name = f"cell-{number}"
        if is_text(cell):
            lines = [line.removeprefix(MAGIC).removeprefix(" ") for line in cell.splitlines()]
            text = "\n".join(line for line in lines if line != "%md")
            cells.append(v4.new_markdown_cell(text, id=name))
            continue
        cells.append(v4.new_code_cell(cell, id=name))
        if cell.startswith(PARAMETERS):
            cells.append(v4.new_code_cell(HERE, id="here"))
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": python})


def sources_of(notebook: Any) -> list[tuple[str, str, str]]:
    """Returns id, kind and text of each cell: what two forms of a notebook have in common."""
    return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]


def _known(names: Mapping[str, Any], name: str, value: Any) -> Any:
    if name not in names:
        raise KeyError(f"The notebook has no parameter {name}")
    return value


def _rows(value: Any) -> Any:
    return value.collect() if hasattr(value, "collect") else value
