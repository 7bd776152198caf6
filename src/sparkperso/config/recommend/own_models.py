"""Recommenders of other packages, found by the entry points `sparkperso.models`.

An entry point's name is the model's, and what it names is a module (or any object) that has
`Params`, the settings, and `fit` and `load`, as the suite's own models do (docs/models.md).
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from sparkperso.core.section import Section

GROUP = "sparkperso.models"


def own_models() -> dict[str, EntryPoint]:
    """Returns name → entry point of all models that installed packages bring, in order of names.

    Looked up anew each time: a search of the installed packages, of some milliseconds.
    """
    found = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return {point.name: point for point in found}


def versions_of_own_models() -> dict[str, str]:
    """Returns name → package and version of all models that installed packages bring."""
    return {
        name: f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        for name, point in own_models().items()
    }


@cache
def own_model(name: str) -> Any:
    """Returns what the entry point of this name names: `Params`, `fit` and `load`.

    Raises KeyError where there is none, ValueError for one that cannot be imported or lacks one of
    them, or whose Params are not settings of this name.
    """
    point = own_models()[name]
    try:
        model = point.load()
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"the model '{name}' ({point.value}) cannot be imported: {why}") from error
    lacking = [
        part for part in ("Params", "fit", "load") if not callable(getattr(model, part, None))
    ]
    if lacking:
        raise ValueError(f"the model '{name}' ({point.value}) lacks {', '.join(lacking)}")
    field = getattr(model.Params, "model_fields", {}).get("model")
    is_section = isinstance(model.Params, type) and issubclass(model.Params, Section)
    if not is_section or field is None or field.default != name:
        raise ValueError(
            f"the Params of the model '{name}' ({point.value}) should be a Section with "
            f"model: Literal['{name}'] = '{name}'"
        )
    return model
