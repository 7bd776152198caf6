"""The generated parts of docs/sources.md: keys of a source's file, fields, metadata, examples.

`make golden` writes them anew, each between `<!-- NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sparkperso.config.ingest import RuleConfig
from sparkperso.config.sources.fields import FIELDS, FREE, METADATA_KEYS, Kind
from sparkperso.config.sources.input import CsvConfig, ExplodeConfig, JoinConfig, Lookup
from sparkperso.config.sources.source import SourceConfig

BLOCK = re.compile(r"<!-- (?P<name>[\w ]+) -->\n.*?<!-- end -->", re.DOTALL)
MODELS: Mapping[str, type[BaseModel]] = {
    "csv": CsvConfig,
    "joins": JoinConfig,
    "explode": ExplodeConfig,
    "lookups": Lookup,
    "rules": RuleConfig,
}
"""Key of a source's file → the model of what stands below it."""
OF_FILES = ("name", "path", "format", "csv", "fields", "optional_fields", "aliases", "types")
"""Keys that a second input has as the source has them."""
PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any"}


def with_generated(page: str, examples: Path) -> str:
    """Returns a page whose marked parts are written anew; YAML of examples is in `examples`.

    Raises KeyError for a part that nothing writes.
    """
    makers: dict[str, Callable[[], str]] = {
        "keys": lambda: _keys(SourceConfig, ("name",)),
        **{f"keys of {key}": partial(_below, key) for key in MODELS},
        **{f"fields of {kind}": partial(_fields, kind) for kind in FIELDS},
        "metadata": lambda: _table(("key", "what for"), METADATA_KEYS.items()),
    }

    def made(match: re.Match[str]) -> str:
        name = match["name"]
        if name.startswith("example "):
            text = (examples / f"{name.removeprefix('example ')}.yaml").read_text(encoding="utf-8")
            body = f"```yaml\n{text}```"
        else:
            body = makers[name]()
        return f"<!-- {name} -->\n{body}\n<!-- end -->"

    return BLOCK.sub(made, page)


def _below(key: str) -> str:
    return _keys(MODELS[key], (*OF_FILES, "null_values") if key == "joins" else ())


def _keys(model: type[BaseModel], without: tuple[str, ...]) -> str:
    rows = []
    for name, info in model.model_fields.items():
        if name not in without:
            meaning = " ".join((info.description or "").split())
            rows.append((f"`{name}`", _kind(info.annotation), _default(info), meaning))
    return _table(("key", "value", "default", "meaning"), rows)


def _fields(kind: Kind) -> str:
    known: dict[str, str] = {**FIELDS[kind]}
    free = FREE[kind]
    what = (
        "any key of yours; those that are read stand below"
        if free == "metadata"
        else "any key of yours, such as `stock`"
    )
    if free:
        known[f"{free}.<key>"] = what
    return _table(("field", "meaning"), ((f"`{name}`", text) for name, text in known.items()))


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|")


def _kind(annotation: Any) -> str:
    """What a value is, in words: `text → list of text`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_kind(part) for part in parts if part is not NoneType)
    if origin is tuple:
        return f"list of {_kind(parts[0])}"
    if origin is dict:
        return f"{_kind(parts[0])} → {_kind(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "keys below"
    return PLAIN.get(annotation, str(annotation))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value in (None, "", (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value)}`" if isinstance(value, tuple) else f"`{value}`"
