"""What a benchmark tries: the configured search space, as far as the data carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkperso.config.models import (
    PARAMS,
    ExplicitParams,
    PopularityParams,
)
from sparkperso.config.recommend import SearchConfig
from sparkperso.core.errors import UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.recommend.fit import fit_failures
from sparkperso.recommend.fit.fit_strategy import Engine
from sparkperso.recommend.tune.search_space import draw, grid

EXPLICIT, HYBRID = "als_explicit", "hybrid"
BASE = tuple(name for name in PARAMS if name not in (EXPLICIT, HYBRID))
RATINGS = (
    ExplicitParams(rank=8, reg_param=0.05),
    ExplicitParams(rank=8, reg_param=0.1),
    ExplicitParams(rank=8, reg_param=0.2),
)
"""Tried where the configuration has no candidates for ratings."""


@dataclass(frozen=True)
class DataShape:
    """What the data and the machine carry."""

    has_items: bool
    """Whether --items says something of the items."""
    is_timed: bool
    """Whether the folds are cut in time, so that recency can be judged."""
    is_explicit: bool
    """Whether the ratings are opinions, not counts."""
    n_items: int
    max_item_pairs: int
    """Largest catalogue for models of items × items."""
    engine: Engine


def parse_models(text: str | None) -> tuple[str, ...] | None:
    """Returns the names of `--models a,b`, None for all; raises UsageError for unknown ones."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in PARAMS]
    if unknown or not names:
        otherwise = "Fix the name, or leave --models out"
        raise UsageError(
            f"--models takes names out of {', '.join(PARAMS)}, separated by commas",
            f"Found '{unknown[0] if unknown else text}'",
            did_you_mean(unknown[0], PARAMS, otherwise) if unknown else otherwise,
        )
    return names


def looks_explicit(kinds: int, low: float, high: float) -> bool:
    """Says whether ratings are opinions: 3 to 20 distinct values, all within 0.5 to 10."""
    return 3 <= kinds <= 20 and low >= 0.5 and high <= 10


def candidates(
    search: SearchConfig, seed: int, names: tuple[str, ...] | None, given: DataShape
) -> tuple[list[Any], dict[str, str]]:
    """Returns the candidates, plain popularity first, and the models left out (name → why).

    `names` are the models asked for, None: all; hybrid needs all the others. A model that the
    space does not hold is tried with its default settings.
    """
    space = _space(search.space, names, given)
    drawn = draw(search, space, seed)
    wanted = _wanted(names)
    plain = [PopularityParams()] if "popularity" in wanted else []
    found = dict.fromkeys(_timeless(c) if not given.is_timed else c for c in [*plain, *drawn])
    left_out = {c.model: why for c in found if (why := obstacle(c, given))}
    if names is None or "content" not in names:
        left_out = {m: why for m, why in left_out.items() if m != "content" or given.has_items}
    return [c for c in found if not obstacle(c, given)], left_out


def obstacle(params: Any, given: DataShape) -> str | None:
    """Returns why a candidate cannot be tried on these data; None when it can."""
    if params.model == "content" and not given.has_items:
        return "nothing is known of the items: give --items"
    is_whole = given.engine.is_whole(params)
    return fit_failures.obstacle(params, given.n_items, given.max_item_pairs, is_whole)


def _wanted(names: tuple[str, ...] | None) -> tuple[str, ...]:
    return BASE if names is None or HYBRID in names else names


def _space(
    space: Sequence[Mapping[str, Any]], names: tuple[str, ...] | None, given: DataShape
) -> list[dict[str, Any]]:
    """Returns the entries of the wanted models; each wanted by name has at least one."""
    wanted = _wanted(names)
    entries = [dict(entry) for entry in space if entry.get("model") in wanted]
    if any(entry.get("model") not in PARAMS for entry in space):
        grid([entry for entry in space if entry.get("model") not in PARAMS])  # says what is wrong
    held = {entry["model"] for entry in entries}
    entries += [{"model": n} for n in names or () if n in BASE and n not in held]
    if given.is_explicit:
        both = {"values": ["binary", "strength"]}
        entries = [both | e if e["model"] == "als_implicit" else e for e in entries]
    return entries


def _timeless(params: Any) -> Any:
    """Returns a candidate without what only times can tell."""
    names = ("prior_half_life_days", "half_life_days", "window_days")
    return params.model_copy(update={n: None for n in names if hasattr(params, n)})
