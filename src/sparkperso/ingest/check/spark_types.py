"""Types as Spark writes them, held against values of JSON and CSV; without Spark."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparkperso.core.suggest import did_you_mean, nearest

WHOLE = ("tinyint", "byte", "smallint", "short", "int", "integer", "bigint", "long")
DECIMALS = ("float", "real", "double", "decimal", "dec", "numeric")
OTHERS = ("string", "binary", "boolean", "date", "timestamp", "timestamp_ntz", "variant")
SIMPLE = (*WHOLE, *DECIMALS, *OTHERS)
TOKEN = re.compile(r"\s*(?:(`[^`]+`|[\w.]+)|([<>,:()]))")
MARKS = "<>,:()"
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class SparkType:
    """A type: `name` of a simple one, or array, map, struct with what they hold."""

    name: str
    inner: tuple[SparkType, ...] = ()
    """Of an array its elements' type, of a map its keys' and its values'."""
    fields: Mapping[str, SparkType] = field(default_factory=dict)


def parse_type(text: str) -> SparkType:
    """Returns a type as Spark writes it, in any capitals.

    Raises ValueError that says what is wrong, with the nearest name that there is.

    >>> parse_type("array<struct<sku:string>>").inner[0].fields["sku"].name
    'string'
    """
    words = ["".join(pair) for pair in TOKEN.findall(text)]
    if TOKEN.sub("", text).strip():
        raise ValueError(f"'{text}' is no type")
    kind, rest = _type(words)
    if rest:
        raise ValueError(f"'{''.join(rest)}' follows a whole type")
    return kind


def misfit(value: Any, kind: SparkType, is_inner: bool = False) -> str:
    """Returns why Spark could not read a value as a type, empty where it can; None always can.

    `is_inner`: the value stands in a list or an object. There Spark makes null of a number that is
    written as a text, which it casts where it stands alone.
    """
    if value is None:
        return ""
    if kind.name in ("array", "struct", "map") and isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return f"no JSON of {_words(kind)}: {value[:40]}"
    if kind.name == "array":
        if not isinstance(value, list):
            return f"no list: {_short(value)}"
        found = (misfit(one, kind.inner[0], True) for one in value)
        return next((why for why in found if why), "")
    if kind.name in ("struct", "map"):
        return _object_misfit(value, kind)
    return _simple_misfit(value, kind.name, is_inner)


def unknown_parts(value: Any, kind: SparkType) -> dict[str, str]:
    """Returns part of a struct that no object of a value has → the nearest that one has, or ''."""
    if kind.name == "array" and isinstance(value, list):
        found = [unknown_parts(one, kind.inner[0]) for one in value]
        # A part is unknown where no element has it.
        names = set.intersection(*(set(one) for one in found)) if found else set()
        return {name: found[0][name] for name in sorted(names)}
    if kind.name != "struct" or not isinstance(value, dict):
        return {}
    return {name: nearest(name, value) or "" for name in kind.fields if name not in value}


def _type(words: list[str]) -> tuple[SparkType, list[str]]:
    if not words or words[0] in MARKS:
        raise ValueError(f"a type is missing before '{words[0]}'" if words else "a type is missing")
    name, rest = words[0].lower(), words[1:]
    if name in ("array", "map", "struct"):
        return _nested(name, rest)
    if name not in SIMPLE:
        known = (*SIMPLE, "array", "map", "struct")
        raise ValueError(f"'{words[0]}' is no type of Spark's. {did_you_mean(name, known)}".strip())
    if rest[:1] == ["("]:  # decimal(10,2)
        if ")" not in rest:
            raise ValueError(f"'{name}(' should be closed")
        rest = rest[rest.index(")") + 1 :]
    return SparkType(name), rest


def _nested(name: str, words: list[str]) -> tuple[SparkType, list[str]]:
    rest = _after("<", name, words)
    inner: list[SparkType] = []
    fields: dict[str, SparkType] = {}
    while True:
        label = ""
        if name == "struct":
            label, rest = (rest[0].strip("`"), rest[1:]) if rest else ("", rest)
            rest = rest[1:] if rest[:1] == [":"] else rest
        kind, rest = _type(rest)
        inner.append(kind)
        fields |= {label: kind} if label else {}
        if rest[:1] != [","]:
            break
        rest = rest[1:]
    wanted = {"array": 1, "map": 2}.get(name, len(inner))
    if len(inner) != wanted:
        raise ValueError(f"{name} takes {wanted} types, found {len(inner)}")
    return SparkType(name, () if fields else tuple(inner), fields), _after(">", name, rest)


def _after(mark: str, name: str, words: list[str]) -> list[str]:
    if words[:1] != [mark]:
        raise ValueError(f"'{mark}' is missing in {name}")
    return words[1:]


def _object_misfit(value: Any, kind: SparkType) -> str:
    if not isinstance(value, dict):
        return f"no object: {_short(value)}"
    if kind.name == "map":
        found = (misfit(one, kind.inner[1], True) for one in value.values())
        return next((why for why in found if why), "")
    found_in = ((name, misfit(value.get(name), one, True)) for name, one in kind.fields.items())
    return next((f"{name}: {why}" for name, why in found_in if why), "")


def _simple_misfit(value: Any, name: str, is_inner: bool) -> str:
    if is_inner and isinstance(value, str) and name in (*WHOLE, *DECIMALS):
        return f"the text '{_short(value)}' is no {name} within JSON: type it string, and cast it"
    if is_inner and name == "boolean":
        return "" if isinstance(value, bool) else f"no boolean: {_short(value)}"
    text = value.strip() if isinstance(value, str) else value
    if name == "boolean":
        words = ("true", "false", "t", "f", "yes", "no", "y", "n", "0", "1")
        fits = isinstance(value, bool) or str(text).lower() in words
    elif name in WHOLE:
        fits = not isinstance(text, bool) and re.fullmatch(r"[+-]?\d+", str(text)) is not None
    elif name in DECIMALS:
        fits = not isinstance(text, bool) and NUMBER.fullmatch(str(text)) is not None
    else:
        fits = True
    return "" if fits else f"no {name}: {_short(value)}"


def _words(kind: SparkType) -> str:
    return {"array": "a list", "struct": "an object", "map": "an object"}[kind.name]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text[:40]
