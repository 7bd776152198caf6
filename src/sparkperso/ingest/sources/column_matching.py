"""Finds a source's columns under the spellings that files use for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from sparkperso.config.sources.input import InputConfig
from sparkperso.core.errors import JobError
from sparkperso.core.suggest import nearest


def match_columns(source: InputConfig, found: Iterable[str], where: str) -> Mapping[str, str]:
    """Returns column of the mapping → name in the file, for every column that the file has.

    A name matches when it is equal to the column or one of its aliases, or is so but for
    capitals, blanks and punctuation. Raises JobError that names every missing required column
    and, where there is one, the found column that comes closest.
    """
    found = list(found)
    matched = {
        column: name
        for column in source.all_fields
        if (name := _find([column, *source.aliases.get(column, ())], found)) is not None
    }
    missing = [column for column in source.fields if column not in matched]
    if missing:
        raise JobError(
            f"Source '{source.name}' needs the columns {', '.join(source.fields)}",
            f"{where} has no {' and no '.join(with_nearest(name, found) for name in missing)}; "
            f"its columns are {', '.join(found) or 'none'}",
            f"Name the column under 'aliases' in conf/sources/{source.name}.yaml, or fix the file",
        )
    return matched


def spellings(source: InputConfig, column: str) -> tuple[str, ...]:
    """Returns a column's name and its aliases."""
    return (column, *source.aliases.get(column, ()))


def is_same_name(name: str, wanted: Iterable[str]) -> bool:
    """Says whether a name is one of `wanted` but for capitals, blanks and punctuation."""
    return any(_key(name) == _key(one) for one in wanted)


def with_nearest(name: str, found: Iterable[str]) -> str:
    """Returns a missing name in quotes, with the found name that comes closest, if one does."""
    by_key = {_key(other): other for other in found}
    near = nearest(_key(name), by_key, cutoff=0.5)
    return f"'{name}' (nearest: '{by_key[near]}')" if near else f"'{name}'"


def require_distinct(names: Sequence[str], place: str) -> None:
    """Raises JobError when a name stands twice, in whatever capitals."""
    by_name: dict[str, list[str]] = {}
    for name in names:
        by_name.setdefault(name.lower(), []).append(name)
    twice = [" and ".join(f"'{name}'" for name in same) for same in by_name.values() if same[1:]]
    if twice:
        raise JobError(
            "Every column of a file should have a name of its own; capitals make no difference",
            f"{place} has {'; '.join(twice)}",
            "Rename or remove one of them",
        )


def _find(wanted: list[str], found: list[str]) -> str | None:
    exact = next((name for name in wanted if name in found), None)
    if exact is not None:
        return exact
    keys = [_key(name) for name in wanted]
    return next((name for key in keys for name in found if _key(name) == key), None)


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())
