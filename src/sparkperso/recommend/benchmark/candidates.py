"""What a benchmark tries: the configured search space, as far as the data allow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkperso.config.recommend.data_size import DataSize
from sparkperso.config.recommend.models import (
    ExplicitParams,
    PopularityParams,
    known_models,
)
from sparkperso.config.recommend.section import SearchConfig
from sparkperso.core.errors import UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.recommend.fit import fit_failures
from sparkperso.recommend.fit.fit_strategy import Engine
from sparkperso.recommend.tune.search_space import draw, entries_for, grid

EXPLICIT, HYBRID = "als_explicit", "hybrid"
RATINGS = (
    ExplicitParams(rank=8, reg_param=0.05),
    ExplicitParams(rank=8, reg_param=0.1),
    ExplicitParams(rank=8, reg_param=0.2),
)
"""Tried where the configuration has no candidates for ratings."""


@dataclass(frozen=True)
class DataShape:
    """What of the data decides which models can be tried on them."""

    has_items: bool
    """Whether there is an --items, with attributes of the items."""
    is_timed: bool
    """Whether the folds are cut in time, so that recency can be judged."""
    is_explicit: bool
    """Whether the ratings are opinions, not counts."""
    size: DataSize
    max_item_pairs: int
    """Largest catalogue for models of items × items."""
    engine: Engine


def base_models() -> tuple[str, ...]:
    """Returns the models that can be candidates of a space, those of other packages too."""
    return tuple(name for name in known_models() if name not in (EXPLICIT, HYBRID))


def names_of(text: str) -> tuple[str, ...]:
    """Returns the names of a list with commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def parse_models(text: str | None) -> tuple[str, ...] | None:
    """Returns the names of `--models a,b`, each once, None for all.

    Raises UsageError for unknown ones.

    >>> parse_models("ease, popularity,ease")
    ('ease', 'popularity')
    """
    if text is None:
        return None
    names, known = names_of(text), known_models()
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        otherwise = "Fix the name, or leave --models out"
        raise UsageError(
            f"--models takes names out of {', '.join(known)}, separated by commas",
            f"Found '{unknown[0] if unknown else text}'",
            did_you_mean(unknown[0], known, otherwise) if unknown else otherwise,
        )
    return names


def looks_explicit(kinds: int, low: float, high: float) -> bool:
    """Returns whether ratings are opinions: 3 to 20 distinct values, all within 0.5 to 10.

    >>> looks_explicit(kinds=5, low=1, high=5), looks_explicit(kinds=400, low=1, high=2_000)
    (True, False)
    """
    return 3 <= kinds <= 20 and low >= 0.5 and high <= 10


def candidates(
    search: SearchConfig, seed: int, names: tuple[str, ...] | None, shape: DataShape
) -> tuple[list[Any], dict[str, str]]:
    """Returns the candidates, plain popularity first, and the models left out (name → why).

    `names` are the models asked for, None: all; hybrid needs all the others. A model that the
    space does not hold is tried with its default settings. Raises ConfigError for a search space
    that cannot be read.
    """
    models = base_models() if names is None or HYBRID in names else names
    drawn = draw(search, _space(search.space, names, models, shape), seed)
    plain = [PopularityParams()] if "popularity" in models else []
    distinct = dict.fromkeys(_timeless(c) if not shape.is_timed else c for c in [*plain, *drawn])
    left_out = {c.model: why for c in distinct if (why := obstacle(c, shape))}
    if names is None or "content" not in names:
        # Nobody asked for it by name: that there is no --items is no news.
        left_out = {m: why for m, why in left_out.items() if m != "content" or shape.has_items}
    return [c for c in distinct if not obstacle(c, shape)], left_out


def obstacle(params: Any, shape: DataShape) -> str | None:
    """Returns why a candidate cannot be tried on these data; None when it can."""
    if params.model == "content" and not shape.has_items:
        return "nothing is known of the items: give --items"
    is_whole = shape.engine.is_whole(params)
    return fit_failures.obstacle(params, shape.size.n_items, shape.max_item_pairs, is_whole)


def _space(
    space: Sequence[Mapping[str, Any]],
    names: tuple[str, ...] | None,
    models: tuple[str, ...],
    shape: DataShape,
) -> list[dict[str, Any]]:
    """Returns the entries of these models; each that was asked for by name has at least one."""
    space, known = entries_for(space, shape.size), known_models()
    entries = [entry for entry in space if entry.get("model") in models]
    if any(entry.get("model") not in known for entry in space):
        grid([entry for entry in space if entry.get("model") not in known])  # says what is wrong
    present = {entry["model"] for entry in entries}
    entries += [{"model": n} for n in names or () if n in base_models() and n not in present]
    if shape.is_explicit:
        both = {"values": ["binary", "strength"]}
        entries = [both | e if e["model"] == "als_implicit" else e for e in entries]
    return entries


def _timeless(params: Any) -> Any:
    """Returns a candidate without what only times can tell."""
    names = ("prior_half_life_days", "half_life_days", "window_days")
    return params.model_copy(update={n: None for n in names if hasattr(params, n)})
