"""Layered values: YAML of conf/base, YAML of conf/<env>, environment variables, `--set`.

1. Each layer is read into flat values: path of keys → value and the layer that it came from.
2. A later layer replaces the values of the ones before, key by key; a list is one value.
3. What is left becomes a tree again, which `load` validates.

Another conf/ folder lies over the shipped one: its base and its environment are two more layers
after those, key by key, so that it holds only what differs. Named configuration (sources, segments,
tracking plans) is a file of either, whole.

A path is a tuple, since Spark's own property names (`spark.conf` holds them) contain dots.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sparkperso.core.errors import ConfigError
from sparkperso.core.package import shipped

ENVIRONMENT_PREFIX = "SPARKPERSO__"
ENVIRONMENT_CONF_DIR = "SPARKPERSO_CONF_DIR"
SPARK_PROPERTIES = "spark.conf."
NOT_OVERLAYS = frozenset(
    {
        "base",
        "content",
        "experiments",
        "features",
        "mails",
        "metrics",
        "pages",
        "rules",
        "segments",
        "slots",
        "sources",
        "tracking_plans",
        "triggers",
    }
)
"""Folders of conf/ that are no environment: what all share, and configuration that is data."""


@dataclass(frozen=True)
class Value:
    """A setting and the layer that it came from."""

    value: Any
    layer: str


Keys = tuple[str, ...]
Flat = dict[Keys, Value]


def default_conf_dir() -> Path:
    """Returns the wheel's own conf/, or the checkout's when it is run from there.

    It may not exist, when the package was installed without either.
    """
    return shipped("conf")


def conf_dirs(conf_dir: Path | None = None) -> tuple[Path, ...]:
    """Returns the folders that configuration is read from, a later one over those before it.

    The shipped one, and `conf_dir`, else what SPARKPERSO_CONF_DIR names. Raises ConfigError where
    that is no folder.
    """
    default = default_conf_dir()
    named = os.environ.get(ENVIRONMENT_CONF_DIR)
    own = conf_dir or (Path(named) if named else None)
    if own is None or own.resolve() == default.resolve():
        return (default,)
    if not own.is_dir():
        option = "--conf-dir" if conf_dir else ENVIRONMENT_CONF_DIR
        raise ConfigError(f"{option} names a folder", f"There is none at '{own}'", "Fix the path")
    _require_level(own, NOT_OVERLAYS | {*environments(default)})
    return (default, own)


def _require_level(own: Path, known: frozenset[str]) -> None:
    """Raises ConfigError for a folder whose files would be overlooked: it is beside a conf/."""
    here = sorted(path for path in own.iterdir() if path.name[0] not in "._")
    files = [path.name for path in here if path.suffix in (".yaml", ".yml") and path.is_file()]
    near = [path for path in here if path.is_dir() and known & {p.name for p in path.glob("*/")}]
    if not files and (not near or any(path.is_dir() and path.name in known for path in here)):
        return
    if files and own.resolve().name in known:
        near = [own.resolve().parent]
    raise ConfigError(
        f"A conf/ folder holds folders of files, such as {', '.join(sorted(known)[:3])}",
        f"'{own}' holds {', '.join(files) or 'none of them'}",
        f"Name {near[0]}" if near else f"Move {files[0]} into {own / 'base'}",
    )


def conf_files(kind: str, conf_dir: Path | None = None) -> dict[str, Path]:
    """Returns name → file of named configuration, such as `sources`: yours before the shipped."""
    files: dict[str, Path] = {}
    for folder in conf_dirs(conf_dir):
        files |= {path.stem: path for path in yaml_files(folder / kind)}
    return dict(sorted(files.items()))


def own_files(kind: str, conf_dir: Path | None = None) -> dict[str, Path]:
    """Returns name → file of what is shown, such as `rules`: of a conf/ of yours, its own alone.

    The shipped ones fit the demo shop: no page of another is to show them.
    """
    return {path.stem: path for path in yaml_files(conf_dirs(conf_dir)[-1] / kind)}


def read_layers(conf_dir: Path | None, env: str, assignments: Iterable[str]) -> Flat:
    """Returns every configured key; a later layer wins.

    Raises ConfigError for an environment that has no folder, for YAML that cannot be read, for a
    key that stands twice in one layer, and for a `--set` that is no assignment or is repeated.
    """
    folders = conf_dirs(conf_dir)
    known = sorted({name for folder in folders for name in environments(folder)})
    if env not in known:
        raise ConfigError(
            f"--env names one of {', '.join(known)}, folders of {' or '.join(map(str, folders))}",
            f"There is no '{env}'",
            "Name one of them, or another folder with --conf-dir",
        )
    flat: Flat = {}
    for folder in folders:
        for layer in ("base", env):
            name = layer if folder == folders[0] else str(folder / layer)
            flat = over(flat, read_folder(folder / layer, name))
    flat = over(flat, _read_environment(os.environ))
    return over(flat, _read_assignments(assignments))


def over(flat: Flat, later: Flat) -> Flat:
    """Returns `flat` with a later layer over it.

    A value takes the place of all that stood below its key; an empty section says nothing.

    >>> lake, root = Value("lake", "base"), Value({}, "own")
    >>> list(over({("lake", "root"): lake}, {("lake",): root}))
    [('lake', 'root')]
    """
    later = {k: v for k, v in later.items() if len(k) > 1 or v.value != {}}
    kept = {k: v for k, v in flat.items() if not any(k[:n] in later for n in range(1, len(k) + 1))}
    return kept | later


def environments(conf_dir: Path) -> list[str]:
    """Returns the names that `--env` may have: the overlays of a conf/ folder."""
    folders = sorted(path.name for path in conf_dir.glob("*") if path.is_dir())
    return [name for name in folders if name not in NOT_OVERLAYS and name[0] not in "._"]


def read_folder(folder: Path, layer: str) -> Flat:
    """Returns the keys of all YAML files of one layer; the same key twice is a ConfigError."""
    flat: Flat = {}
    origin: dict[Keys, Path] = {}
    # Only files of the folder itself: those below (conf/segments) are configuration as data.
    for path in yaml_files(folder):
        for key, value in flatten(read_yaml(path)).items():
            if key in origin:
                raise ConfigError(
                    f"Each key stands once in {folder}",
                    f"'{'.'.join(key)}' is in both {origin[key].name} and {path.name}",
                    "Remove one of them",
                )
            origin[key] = path
            flat[key] = Value(value, f"{layer}/{path.name}")
    return flat


def yaml_files(folder: Path) -> list[Path]:
    """Returns the YAML files of a folder by name, none where there is no folder.

    Hidden ones are of editors. Raises ConfigError for a folder that cannot be read, and for a file
    that ends in .yml, which would be overlooked.
    """
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{folder} should be a folder of YAML files", str(error)) from None
    # A link that leads nowhere is no folder either: it is to be read, and told.
    files = [path for path in entries if path.name[0] != "." and not path.is_dir()]
    for path in files:
        if path.suffix == ".yml":
            raise ConfigError("Configuration ends in .yaml", f"Found {path}", "Rename it")
    return [path for path in files if path.suffix == ".yaml"]


def read_yaml(path: Path) -> dict[str, Any]:
    """Returns a YAML file's mapping; raises ConfigError that names file and line if it has none."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    # YAML's own constructors raise ValueError for dates that are none, TypeError for odd keys.
    except (yaml.YAMLError, OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} should be readable YAML", str(error)) from None
    if content is not None and not isinstance(content, dict):
        raise ConfigError(f"{path} should hold a mapping", f"It holds a {type(content).__name__}")
    return content or {}


def flatten(tree: Mapping[str, Any], prefix: Keys = ()) -> dict[Keys, Any]:
    """Returns path of keys → value of a tree; lists and empty mappings are values.

    >>> flatten({"a": {"b": 1, "c": [2]}})
    {('a', 'b'): 1, ('a', 'c'): [2]}
    """
    flat: dict[Keys, Any] = {}
    for key, value in tree.items():
        keys = (*prefix, str(key))
        if isinstance(value, dict) and value:
            flat |= flatten(value, keys)
        else:
            flat[keys] = value
    return flat


def unflatten(flat: Flat) -> dict[str, Any]:
    """Returns the tree that `flatten` took apart, without the layers.

    Of a value and keys below it, the one that comes later wins.
    """
    tree: dict[str, Any] = {}
    for (*parents, leaf), value in flat.items():
        node = tree
        for parent in parents:
            if not isinstance(node.get(parent), dict):
                node[parent] = {}
            node = node[parent]
        node[leaf] = value.value
    return tree


def split_key(key: str) -> Keys:
    """Returns the path of a dotted key; what follows `spark.conf.` is one Spark property.

    >>> split_key("lake.root"), split_key("spark.conf.spark.ui.enabled")
    (('lake', 'root'), ('spark', 'conf', 'spark.ui.enabled'))
    """
    if key.startswith(SPARK_PROPERTIES):
        return ("spark", "conf", key.removeprefix(SPARK_PROPERTIES))
    return tuple(key.split("."))


def _read_environment(environment: Mapping[str, str]) -> Flat:
    flat: Flat = {}
    for name, text in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            keys = tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
            flat[keys] = Value(_scalar(text), f"environment {name}")
    return flat


def _read_assignments(assignments: Iterable[str]) -> Flat:
    flat: Flat = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or "." not in key:
            raise ConfigError("--set takes section.key=value", f"Found '{assignment}'")
        keys = split_key(key.strip())
        if keys in flat:
            raise ConfigError(
                "Each setting is given once by --set", f"'{key.strip()}' is set twice", "Leave one"
            )
        flat[keys] = Value(_scalar(text), "--set")
    return flat


def _scalar(text: str) -> Any:
    # As in a file: 5 is a number, true a truth value, [a, b] a list; what is no YAML is text.
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError):
        return text


BOOL = "tag:yaml.org,2002:bool"


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML lets the last of two equal keys win silently; this one refuses them.

    Keys are texts: `on`, `off`, `yes`, `no` and `NO` too, which YAML 1.1 takes for truth values.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == BOOL:
                key_node.tag = self.DEFAULT_SCALAR_TAG
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
