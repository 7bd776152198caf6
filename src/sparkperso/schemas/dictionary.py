"""The data dictionary as Markdown, from the written schemas.

`python -m sparkperso.schemas.dictionary > docs/data_dictionary.md` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sparkperso.core.columns import RUN_COLUMNS
from sparkperso.schemas import TABLES, Column, TableSpec

HEAD = """# Data dictionary

Every Delta table of the lake, generated from `src/sparkperso/schemas` by `make golden`.
A table is named `<layer>/<table>`. All times are UTC; identifiers are strings.
Columns marked with ° differ between two runs on the same input; all others come out the same.
"""


def dictionary(tables: Iterable[TableSpec]) -> str:
    """Returns the page as Markdown: a list of the tables, then a section for each, by name."""
    specs = sorted(tables, key=lambda spec: spec.name)
    # Markdown viewers leave the slash out of a heading's anchor.
    rows = [f"| [{s.name}](#{s.name.replace('/', '')}) | {s.grain} | {s.writer} |" for s in specs]
    overview = ["| table | one row is | written by |", "|---|---|---|", *rows, ""]
    sections = [line for spec in specs for line in _section(spec)]
    return "\n".join([HEAD, *overview, *sections])


def _section(spec: TableSpec) -> Iterator[str]:
    yield f"## {spec.name}\n"
    yield f"One row is {spec.grain}. Key: {_code(spec.key) or 'none'}. Written by {spec.writer}."
    if spec.partition_by:
        yield f"Partitioned by {_code(spec.partition_by)}."
    yield "\n| column | type | meaning | unit |\n|---|---|---|---|"
    yield from (_row(column) for column in spec.columns)
    yield ""


def _row(column: Column) -> str:
    mark = " °" if column.name in RUN_COLUMNS else ""
    kind = f"`{column.type}`" + ("" if column.nullable else ", never null")
    meaning = column.meaning.replace("|", "\\|")
    return f"| {column.name}{mark} | {kind} | {meaning} | {column.unit or ''} |"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(dictionary(TABLES.values()), end="")
