"""Places and names of files, as sources spell them."""

from __future__ import annotations

from typing import get_args

from sparkperso.config.sources.input import Format
from sparkperso.core.errors import UsageError
from sparkperso.core.package import DATA

PACKAGE = "package:"
LAKE = "lake:"
EXTENSIONS: dict[str, Format] = {
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
    "csv": "csv",
    "parquet": "parquet",
    "parq": "parquet",
}
COMPRESSED = (".gz", ".bz2", ".zst")


def resolve_path(path: str, lake_root: str = "") -> str:
    """Returns the place of `package:<file>` or `lake:<folder>`, and any other path as it is."""
    if path.startswith(LAKE):
        return f"{lake_root.rstrip('/')}/{path.removeprefix(LAKE)}"
    if not path.startswith(PACKAGE):
        return path
    return str(DATA / path.removeprefix(PACKAGE))


def format_of_name(place: str, given: Format | None) -> Format:
    """Returns the format that a source gives, or the one that a file's name tells.

    Raises UsageError for a name that tells none.
    """
    if given:
        return given
    name = place.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    found = EXTENSIONS.get(name.rpartition(".")[2])
    if found is None:
        raise UsageError(
            f"File names should end in one of {', '.join(EXTENSIONS)}, with or without .gz",
            f"Found '{place}'",
            f"Rename it, or set 'format' ({', '.join(get_args(Format))}) in the source's file",
        )
    return found
