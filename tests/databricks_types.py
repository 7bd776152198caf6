"""Holds a part of databricks.yml to the classes of Databricks' SDK, which are its interface's."""

from __future__ import annotations

import sys
from dataclasses import is_dataclass
from enum import Enum
from types import NoneType
from typing import Any, Union, get_args, get_origin, get_type_hints

from databricks.sdk.service import compute, iam

# Which the SDK's own modules name in their types, and import for type checkers alone.
NAMES = {"compute": compute, "iam": iam}


def misfits(kind, value, where):
    """Yields (place, why) wherever a value of YAML is not what its type says.

    A reference such as ${var.path} may stand for anything.
    """
    if isinstance(value, str) and value.startswith("${"):
        return
    if get_origin(kind) is Union:  # Optional
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    parts = parts_of(kind, value, where)
    if parts is None:
        if not fits(kind, value):
            yield where, f"{value!r} is no {kind}"
        return
    for place, part_kind, part in parts:
        if part_kind is None:
            yield place, f"{kind.__name__} has no such field"
        else:
            yield from misfits(part_kind, part, place)


def parts_of(kind, value, where):
    """The parts of a value as (place, type, value), None the type of an unknown field; or None."""
    if is_dataclass(kind) and isinstance(value, dict):
        names = {**vars(sys.modules[kind.__module__]), **NAMES}
        known = get_type_hints(kind, names, names)  # else a field's name hides a module's
        return [(f"{where}.{key}", known.get(key), part) for key, part in value.items()]
    if get_origin(kind) is list and isinstance(value, list):
        (only,) = get_args(kind)
        return [(f"{where}[{number}]", only, part) for number, part in enumerate(value)]
    if get_origin(kind) is dict and isinstance(value, dict):
        return [(f"{where}.{key}", get_args(kind)[1], part) for key, part in value.items()]
    return None


def fits(kind, value):
    """Whether a single value is of a type."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return value in {member.value for member in kind}
    return kind is Any or type(value) is kind
