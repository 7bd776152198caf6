"""What can be said of a Spark SQL expression without Spark: which names it uses.

Of an expression that is a name alone, or a constant, the value is known too.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<quoted>`(?:[^`]|``)+`)
    |(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?\w*)
    |(?P<name>[^\W\d]\w*)
    |(?P<arrow>->|=>)
    |(?P<mark>\S)""",
    re.VERBOSE,
)
REFERENCE = re.compile(r"\s*(`(?:[^`]|``)+`|[^\W\d]\w*)((?:\s*\.\s*(?:`[^`]+`|\w+))*)\s*")
CONSTANT = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|([+-]?\d+(?:\.\d*)?))\s*")
SQL = """
    all and any array as asc between bigint binary boolean both by byte case cast collate cross
    current_date current_time current_timestamp current_user date day days dec decimal desc
    distinct div double else end escape exists false first float for from full hour hours if ilike
    in int integer interval is last leading like long map microsecond microseconds millisecond
    milliseconds minute minutes month months not null nulls numeric of on or order over overlay
    partition position real regexp rlike rows second seconds short similar smallint some string
    struct substr substring then time timestamp timestamp_ltz timestamp_ntz tinyint to trailing trim
    true unbounded unknown variant void week weeks when where with within year years
"""
WORDS = frozenset(SQL.split())
"""Words of SQL that are no columns, unless there is one of the name."""


@dataclass(frozen=True)
class Names:
    """The names in an expression, in their order, each once."""

    columns: tuple[str, ...]
    """First names of references: a column, a `let` name, an element, a join."""
    functions: tuple[str, ...]


def names_in(expression: str) -> Names:
    """Returns the names that an expression uses; words of SQL such as CASE are among its columns.

    >>> names_in("coalesce(trim(a), `b c`.d, 'x') || e").columns
    ('a', 'b c', 'e')
    """
    columns, functions, bound = [], [], set()
    tokens = list(TOKEN.finditer(expression))
    for place, token in enumerate(tokens):
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        before = tokens[place - 1][0] if place else ""
        if token.lastgroup == "name":
            if following is not None and following[0] == "->":
                bound.add(token[0])
            if following is not None and following[0] == "(" and before != ".":
                functions.append(token[0])
            elif before != "." and (following is None or following[0] != ":"):
                columns.append(token[0])  # before a colon it is a part of a type
        elif token.lastgroup == "quoted" and before != ".":
            columns.append(token[0][1:-1].replace("``", "`"))
    # (x, i) -> … binds both.
    for arguments in re.findall(r"\(([\w\s,]+)\)\s*->", expression):
        bound |= {name.strip() for name in arguments.split(",")}
    kept = [name for name in columns if name not in bound]
    return Names(tuple(dict.fromkeys(kept)), tuple(dict.fromkeys(functions)))


def unknown_names(expression: str, known: Collection[str]) -> list[str]:
    """Returns the names of an expression that are neither known nor words of SQL."""
    folded = {name.lower() for name in known}
    return [
        name
        for name in names_in(expression).columns
        if name.lower() not in folded and name.lower() not in WORDS
    ]


def reference(expression: str, known: Collection[str]) -> str | None:
    """Returns the path that an expression is, if it is no more than a known name.

    >>> reference("`Created at`", ["Created at"]), reference("upper(a)", ["a"])
    ('Created at', None)
    """
    match = REFERENCE.fullmatch(expression)
    if match is None:
        return None
    first = match[1][1:-1].replace("``", "`") if match[1][0] == "`" else match[1]
    parts = [part.strip().strip("`") for part in match[2].split(".") if part.strip()]
    # A column may have a path for its name.
    whole = ".".join((first, *parts))
    exact = {name.lower(): name for name in known}
    if whole.lower() in exact:
        return exact[whole.lower()]
    if first.lower() not in exact:
        return None
    return ".".join((exact[first.lower()], *parts))


def constant(expression: str) -> str | None:
    """Returns the text or number that an expression is, if it is one.

    >>> constant("'purchase'"), constant("1.5"), constant("price")
    ('purchase', '1.5', None)
    """
    match = CONSTANT.fullmatch(expression)
    if match is None:
        return None
    return match[1] if match[1] is not None else match[2]
