"""Executes Databricks-format notebooks outside Databricks, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEADER = "# Databricks notebook source"
SEPARATOR = "# COMMAND ----------"
MAGIC = "# MAGIC"
PARAMETERS = "# Parameters"


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


def _known(names: Mapping[str, Any], name: str, value: Any) -> Any:
    if name not in names:
        raise KeyError(f"The notebook has no parameter {name}")
    return value


def _rows(value: Any) -> Any:
    return value.collect() if hasattr(value, "collect") else value
