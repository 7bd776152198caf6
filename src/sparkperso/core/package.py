"""What comes with the package: its files (bundled data, the built browser SDK), its exports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "data"


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
