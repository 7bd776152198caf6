"""Loads the settings: explicit, no global state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sparkperso.config.layers import (
    Flat,
    Value,
    conf_dirs,
    conf_files,
    over,
    read_layers,
    read_yaml,
    unflatten,
)
from sparkperso.config.secret import MASK, masked
from sparkperso.config.settings import Settings
from sparkperso.core.errors import ConfigError
from sparkperso.core.hashing import short_hash
from sparkperso.core.suggest import did_you_mean, nearest

Model = TypeVar("Model", bound=BaseModel)
MOST_SHOWN = 200
"""Characters of a wrong value that a message shows."""


def load_settings(
    env: str = "local",
    conf_dir: Path | None = None,
    assignments: Iterable[str] = (),
    lake: str | None = None,
) -> Settings:
    """Returns the validated settings of an environment; `lake` overrides `lake.root`.

    `conf_dir` is the shipped conf/ unless it is given, `assignments` are texts of
    `section.key=value`. Raises ConfigError for unknown keys, values out of bounds and keys set
    twice in one layer.
    """
    return settings_from(read_flat(env, conf_dir, assignments, lake), env)


def read_flat(
    env: str, conf_dir: Path | None = None, assignments: Iterable[str] = (), lake: str | None = None
) -> Flat:
    """Returns every configured key with its layer, not validated yet."""
    flat = read_layers(conf_dir, env, assignments)
    # One that is empty, as of a variable that is not set, is refused like any other.
    return flat if lake is None else over(flat, {("lake", "root"): Value(lake, "--lake")})


def settings_from(flat: Flat, env: str) -> Settings:
    """Returns the settings of flat values, naming the layer of the one that does not fit."""
    origin = {".".join(keys): value.layer for keys, value in flat.items()}
    return validate(Settings, {**unflatten(flat), "env": env}, "the configuration", origin)


def load_named(
    kind: str,
    name: str,
    model: type[Model],
    conf_dir: Path | None = None,
    context: Mapping[str, Any] | None = None,
) -> Model:
    """Returns conf/<kind>/<name>.yaml as `model`; its field `name` is the file's name.

    `context` is what the model's validators are told of other files.

    Raises ConfigError when there is no such file, with the nearest name, or when it does not fit.
    """
    files = conf_files(kind, conf_dir)
    if name not in files:
        folder = conf_dirs(conf_dir)[-1] / kind
        raise ConfigError(
            f"'{name}' should be one of {folder}: {', '.join(files) or 'none'}",
            f"There is no {name}.yaml",
            did_you_mean(name, files, f"Write {folder / name}.yaml, or name one that is there"),
        )
    path = files[name]
    tree = read_yaml(path)
    if tree.get("name", name) != name:
        raise ConfigError(
            f"The name of {path} is the file's, '{name}'",
            f"It says 'name: {tree['name']}'",
            "Take the line out, or rename the file",
        )
    return validate(model, {**tree, "name": name}, str(path), {}, context)


def validate(
    model: type[Model],
    tree: Mapping[str, Any],
    where: str,
    origin: Mapping[str, str],
    context: Mapping[str, Any] | None = None,
) -> Model:
    """Returns `tree` as `model`; raises one ConfigError that lists all that does not fit.

    `where` names what was read, `origin` the layer of each dotted key, for the message.
    """
    try:
        return model.model_validate(tree, context=context)
    except ValidationError as error:
        # All at once: one run names every key that is to be put right.
        problems = [_problem(detail, model, origin) for detail in error.errors()]
        raise ConfigError(
            f"Every key of {where} should be known and within its bounds",
            "; ".join(problems),
            "'sparkperso config show' prints what is known",
        ) from None


def config_hash(*parts: BaseModel) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of configuration models.

    Stable across processes and the order of keys; a default and the same value written out are
    equal.
    """
    # Of the values, not of the files: a comment or a moved key changes nothing.
    text = json.dumps([part.model_dump(mode="json") for part in parts], sort_keys=True)
    return short_hash(text)


def _problem(detail: Any, model: type[BaseModel], origin: Mapping[str, str]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        # Of an unknown section, what stands in it says where it came from.
        known = (of for name, of in origin.items() if f"{name}.".startswith(f"{key}."))
        layer = next((f" (from {of})" for of in known), "")
        return f"unknown key '{key}'{layer}{_suggestion(detail['loc'], model)}"
    layer = f" (from {origin[key]})" if key in origin else ""
    says = detail["msg"].removeprefix("Value error, ")
    if isinstance(detail["input"], Mapping):
        # What keys say to each other: all of them would be a page, and the message names them.
        return f"'{key}'{layer}: {says}" if key else says
    found = masked(key.split("."), detail["input"])
    if found == MASK:
        # Whoever reads logs reads messages: what may be a secret stands in none.
        kind = type(detail["input"]).__name__
        quoted = "" if kind == "str" else """; as text it stands in quotes of its own, '"…"'"""
        return f"'{key}'{layer}: {says}, found a value (not shown) of type {kind}{quoted}"
    return f"'{key}'{layer}: {says}, found {_shown(found)}{_quotes(detail)}"


def _shown(found: Any) -> str:
    """What was found, or its beginning: a message is read in a terminal."""
    text = repr(found)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(text):,} characters)"


def _quotes(detail: Any) -> str:
    """What to do where YAML read a text as something else."""
    if detail["type"] != "string_type" or isinstance(detail["input"], list | None):
        return ""
    if isinstance(detail["input"], bool):
        return "; YAML takes on, off, yes and no for true and false: put it in quotes"
    return "; put it in quotes"


def _suggestion(loc: tuple[Any, ...], model: type[BaseModel]) -> str:
    parts, current = list(loc[:-1]), model
    while parts:
        field = current.model_fields.get(str(parts.pop(0)))
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return ""
        # Of many models in a mapping or a list the next part says which one.
        parts = parts if field and _model_in(field.annotation, deep=False) else parts[1:]
        current = inner
    near = nearest(str(loc[-1]), current.model_fields)
    return f" (did you mean '{near}'?)" if near else ""


def _model_in(annotation: Any, *, deep: bool = True) -> type[BaseModel] | None:
    """The model that an annotation is (or None, for `X | None`), with `deep` also one of many."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    is_many = get_origin(annotation) in (dict, list, tuple)
    inner = () if is_many and not deep else get_args(annotation)
    return next((found for one in inner if (found := _model_in(one, deep=deep))), None)
