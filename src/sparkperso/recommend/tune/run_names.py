"""What a candidate's run is called, and what of its settings a table of runs shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkperso.config.recommend.models import HybridParams
from sparkperso.platform.run_recorder import RunRecorder

SHORT = {
    "reg_param": "λ",
    "prior_half_life_days": "prior",
    "half_life_days": "half-life",
    "window_days": "window",
    "n_neighbours": "neighbours",
}
"""Setting → what it is called where a name should be short."""
SETTINGS_FILE = "settings.json"


def run_names(candidates: Sequence[Any]) -> list[str]:
    """Returns a name for each candidate: its model, and its settings that others of it differ in.

    In the order of the candidates; a setting of None is left out. Days are `7d`.
    """
    return [
        _name(one, [other for other in candidates if _model(other) == _model(one)])
        for one in candidates
    ]


def log_settings(run: RunRecorder, strategy: str, params: Any) -> None:
    """Keeps a candidate's settings: single values as parameters, what is nested as a document."""
    settings = params.model_dump(mode="json")
    nested = {name: own for name, own in settings.items() if isinstance(own, dict | list)}
    run.log_params({"strategy": strategy, **{k: v for k, v in settings.items() if k not in nested}})
    if nested:
        run.log_dict(nested, SETTINGS_FILE)


def _model(params: Any) -> str:
    return str(params.model)


def _name(params: Any, siblings: Sequence[Any]) -> str:
    model = "als" if params.model == "als_implicit" else str(params.model)
    if isinstance(params, HybridParams):
        return f"{model} of {', '.join(_model(part) for part in params.parts)}"
    own = params.model_dump()
    others = [one.model_dump() for one in siblings]
    changed = {
        name: value
        for name, value in own.items()
        if value is not None and any(other[name] != value for other in others)
    }
    return " ".join([model, *(_setting(name, value) for name, value in changed.items())])


def _setting(name: str, value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{SHORT.get(name, name)}={text}{'d' if name.endswith('_days') else ''}"
