"""Entries as a content management system has them, in one form for all systems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_LEVELS = 32
"""Levels of nesting of a value that is taken."""
LONGEST = 500
"""Characters of a problem: it quotes what was found."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry in one language; entries of one `key` are the same thing in several."""

    entry_id: str
    """As its editors find it."""
    values: Mapping[str, Any]
    """Field → value, where a field that is not translated has that of the default language."""
    language: str | None = None
    """The system's own locale; None: it has none."""
    own: Mapping[str, Any] | None = None
    """Field → value in this language alone, where that differs: what bodies are read of."""
    key: str | None = None
    """None: those of one name belong together."""


@dataclass(frozen=True, slots=True)
class EntryProblem:
    """Why an entry is not shown."""

    entry_id: str
    text: str

    def __str__(self) -> str:
        return f"entry {self.entry_id}: {self.text}"


@dataclass
class Fetched:
    """What a system answered."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[EntryProblem] = field(default_factory=list)

    def take(self, item: Any, entry_id: object, read: Callable[[Any], Iterable[Entry]]) -> None:
        """Adds what `read` makes of an item; one of another form is left out, and noted."""
        try:
            self.entries += list(read(item))
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            text = f"it has not the form of an entry ({type(error).__name__}: {error})"
            self.problems.append(EntryProblem(str(entry_id), text[:LONGEST]))


def look_up(values: Any, path: str) -> Any:
    """Returns what a path leads to, None where it leads nowhere; of `*` a list.

    >>> look_up({"tags": [{"key": "a"}, {"key": "b"}, {}]}, "tags.*.key")
    ['a', 'b']
    """
    return _walk(values, path.split("."))


def _walk(value: Any, parts: list[str]) -> Any:
    for number, part in enumerate(parts):
        if part == "*":
            if not isinstance(value, list):
                return None
            found = [_walk(one, parts[number + 1 :]) for one in value]
            return [one for one in found if one is not None]
        value = _step(value, part)
    return value


def _step(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return None


def is_deep(value: Any, levels: int = MOST_LEVELS) -> bool:
    """Says whether a value has more levels of lists and objects than are taken."""
    inner: Any = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    return levels < 0 or any(is_deep(one, levels - 1) for one in inner)
