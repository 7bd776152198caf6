"""What comes with the package: its files (data, browser SDK, conf, job scripts), its exports."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
DATA = PACKAGE / "data"


def shipped(name: str) -> Path:
    """Returns the wheel's own copy of a top folder (conf, jobs), or the checkout's.

    It may not exist, when the package was installed without either.
    """
    own = PACKAGE / f"_{name}"
    return own if own.is_dir() else PACKAGE.parents[1] / name


def command_as_called() -> str:
    """Returns how a shell calls `sparkperso` again: as it was called, else the console script.

    Under spark-submit or in a notebook it was not: then it is the script of this environment.
    """
    called = Path(sys.argv[0])
    script = called if called.name == "sparkperso" else Path(sys.executable).with_name("sparkperso")
    on_path = shutil.which("sparkperso")
    if not script.is_file() or (on_path and Path(on_path).samefile(script)):
        return "sparkperso"
    here = Path.cwd()
    near = script.absolute()
    return shlex.quote(str(near.relative_to(here) if near.is_relative_to(here) else near))


def exporter(package: str, exports: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a package: name → what its module, named in `exports`, has.

    It is imported when a name is first used: a package can be imported where what its modules need,
    such as Spark, is not installed. A module is named from the package on, or from `sparkperso.`
    on. Raises AttributeError for any other name.
    """

    def get(name: str) -> Any:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = exports[name]
        absolute = module if module.startswith("sparkperso.") else f"{package}.{module}"
        return getattr(import_module(absolute), name)

    return get
