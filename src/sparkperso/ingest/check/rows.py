"""The first records as expressions see them: lists taken apart, second inputs beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkperso.config.sources.input import POSITION, JoinConfig
from sparkperso.config.sources.source import SourceConfig
from sparkperso.ingest.check.expressions import constant, reference
from sparkperso.ingest.check.head import Head, Record, look_up
from sparkperso.ingest.sources.places import resolve_path

JOINED_RECORDS = 100_000
"""Records of a second input that are looked at."""


@dataclass(frozen=True)
class Joined:
    """A second input: its beginning, and its rows by key."""

    head: Head
    by_key: Mapping[tuple[str, ...], Record]
    repeated: tuple[str, ...]
    """A key that stands there twice; empty where none does, or keys are expressions."""
    is_known: bool
    """Whether both sides of `by` are columns, so that matches can be found without Spark."""


def elements_of(records: Sequence[Record], source: SourceConfig) -> list[Record]:
    """Returns a row per element of the list that `explode` takes apart; a list in JSON is read.

    Where that is an expression, or in a source without `explode`, the records themselves.
    """
    explode = source.explode
    path = reference(explode.of, (*source.all_fields, *source.roots)) if explode else None
    if explode is None or path is None:
        return list(records)
    rows = []
    for record in records:
        elements = as_list(look_up(record, path))
        own = [{**record, explode.name: one, POSITION: n} for n, one in enumerate(elements)]
        rows += own or [{**record, explode.name: None, POSITION: None}]
    return rows


def as_list(value: Any) -> list[Any]:
    """Returns a list, also one that is written as JSON; of anything else none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return value if isinstance(value, list) else []


def join_of(join: JoinConfig, head: Head) -> Joined:
    """Returns the rows of a second input by their keys, as texts."""
    paths = [reference(one, (*join.all_fields, *join.roots)) for one in join.by.values()]
    known = [path for path in paths if path is not None]
    if len(known) < len(paths):
        return Joined(head, {}, (), is_known=False)
    by_key: dict[tuple[str, ...], Record] = {}
    repeated: tuple[str, ...] = ()
    for record in head.records:
        key = key_of(record, known)
        if key is None:
            continue
        repeated = repeated or (key if key in by_key else ())
        by_key[key] = record
    return Joined(head, by_key, repeated, is_known=True)


def with_joins(
    rows: Sequence[Record], source: SourceConfig, joins: Mapping[str, Joined]
) -> list[Record]:
    """Returns rows with the record of each second input under its name, None where none matches."""
    names = (*source.names, *source.roots)
    for name, joined in joins.items():
        paths = [reference(one, names) for one in source.joins[name].by]
        known = [path for path in paths if path is not None]
        if joined.is_known and len(known) == len(paths):
            rows = [{**row, name: _match(row, known, joined)} for row in rows]
    return list(rows)


def key_of(row: Mapping[str, Any], paths: Sequence[str]) -> tuple[str, ...] | None:
    """Returns the texts under paths; None where one is null, which matches nothing."""
    values = [look_up(row, path) for path in paths]
    return None if None in values else tuple(text_of(value) for value in values)


def text_of(value: Any) -> str:
    """Returns a value as a person would write it: 17.0 is 17.

    >>> text_of(17.0), text_of(" a "), text_of(True)
    ('17', 'a', 'true')
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value, default=str, ensure_ascii=False).strip('"')


def values_of(expression: str, rows: Sequence[Record], source: SourceConfig) -> list[Any] | None:
    """Returns what an expression comes to in each row; None where only Spark can say.

    That is so but for columns, paths in them, constants, and `let` names that are one of these.
    """
    fixed = constant(expression)
    if fixed is not None:
        return [fixed] * len(rows)
    path = reference(expression, (*source.names, *source.roots))
    if path is None:
        return None
    first = path.partition(".")[0]
    if first in source.let:
        return values_of(source.let[first], rows, source) if first == path else None
    if first in source.lookups or not any(first in row or path in row for row in rows):
        return None
    return [look_up(row, path) for row in rows]


def join_place(join: JoinConfig, lake_root: str) -> str:
    """Returns where a second input is."""
    return resolve_path(str(join.path), lake_root)


def _match(row: Mapping[str, Any], paths: Sequence[str], joined: Joined) -> Record | None:
    key = key_of(row, paths)
    return joined.by_key.get(key) if key else None
