"""Writes notebooks/*.ipynb from the .py beside them, executed one after the other on a new lake.

The first takes in the bundled year of a shop; the search is a short one. Outputs hold no path of
this machine, which is checked.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from sparkperso.testing.notebooks import to_jupyter

ROOT = Path(__file__).parents[1]
SHORT = {
    "SPARKPERSO__RECOMMEND__SEARCH__SPACE": "[{model: popularity, window_days: [14]}, "
    "{model: ease, reg_param: 500, prior_half_life_days: [null, 14]}, "
    "{model: als_implicit, rank: 32, prior_half_life_days: 7}]",
    "SPARKPERSO__SPARK__MASTER": "local[2]",
}


def main(folder: Path) -> None:
    """Executes the notebooks in a folder that holds, or gets, a lake of that name."""
    os.environ.update(SHORT)
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        notebook = to_jupyter(path)
        print(path.stem, flush=True)
        NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}}).execute()
        for cell in notebook.cells:
            # Times of execution differ from time to time, and say nothing.
            cell.metadata.pop("execution", None)
            # Warnings of libraries name files of this machine.
            shown = cell.get("outputs", [])
            if shown:
                cell.outputs = [one for one in shown if one.get("name") != "stderr"]
        notebook.metadata.pop("language_info", None)
        text = nbformat.writes(notebook)
        named = [place for place in (str(folder), str(ROOT), str(Path.home())) if place in text]
        if named:
            sys.exit(f"{path.stem} shows a path of this machine: {named}")
        path.with_suffix(".ipynb").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
