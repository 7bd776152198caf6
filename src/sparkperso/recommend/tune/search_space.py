"""The search space: entries of the configuration → candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from pydantic import ValidationError

from sparkperso.config.recommend.data_size import DataSize, When
from sparkperso.config.recommend.models import PopularityParams, parse_params, settings_class
from sparkperso.config.recommend.section import RecommendConfig, SearchConfig
from sparkperso.core.errors import ConfigError

ELSEWHERE = {
    "hybrid": "recommend.search.hybrid",
    "als_explicit": "recommend.search.explicit",
}
"""Models that are not tried as candidates of the space."""

WHEN = "when"
"""Key of an entry that says on which data it is tried."""
RANGE = {"low", "high", "log"}
"""Keys of a range."""


def candidates(config: RecommendConfig, size: DataSize | None = None) -> list[Any]:
    """Returns the settings to try on data of a size, plain popularity first, each once.

    Without a size those of any. Raises ConfigError for a search space that cannot be read.
    """
    space = entries_for(config.search.space, size)
    return list(dict.fromkeys([PopularityParams(), *draw(config.search, space, config.seed)]))


def entries_for(
    space: Sequence[Mapping[str, Any]], size: DataSize | None = None
) -> list[dict[str, Any]]:
    """Returns the entries that are tried on data of a size, without `when`; without a size, all.

    Raises ConfigError for a `when` that cannot be read, also of an entry that is not tried.

    >>> space = [{"model": "ease", "when": {"items": {"at_most": 1000}}}, {"model": "popularity"}]
    >>> entries_for(space, DataSize(n_users=50, n_items=2000, n_pairs=900))
    [{'model': 'popularity'}]
    """
    conditions = [_when(entry) for entry in space]
    return [
        {name: value for name, value in entry.items() if name != WHEN}
        for entry, when in zip(space, conditions, strict=True)
        if size is None or when.holds(size)
    ]


def draw(search: SearchConfig, space: Sequence[Mapping[str, Any]], seed: int) -> list[Any]:
    """Returns the candidates of these entries by the method of the configuration, each once.

    `grid` or `sample`; raises ConfigError as they do. Entries have no `when` (`entries_for`).
    """
    if search.method == "grid":
        return grid(space)
    return sample(space, search.n_candidates, seed)


def grid(space: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Returns every combination of each entry's lists, in order; repeated ones once.

    An entry names a `model` and its settings; a list stands for its values one after the other.
    Raises ConfigError for ranges, and for settings that the model does not have. A blend is not in
    a space: it is learned of the others; nor is ALS on ratings, which has its own list.

    >>> [params.reg_param for params in grid([{"model": "ease", "reg_param": [100, 500]}])]
    [100.0, 500.0]
    """
    drawn: list[Any] = []
    for entry in space:
        if any(isinstance(value, Mapping) and RANGE & set(value) for value in entry.values()):
            raise ConfigError(
                "recommend.search.space holds values or lists of values for a grid",
                f"Found a range in {dict(entry)}",
                "Set recommend.search.method to random",
            )
        choices = [_values(value) for value in entry.values()]
        for values in product(*choices):
            drawn.append(_parse(dict(zip(entry, values, strict=True))))
    return list(dict.fromkeys(drawn))


def sample(space: Sequence[Mapping[str, Any]], n: int, seed: int) -> list[Any]:
    """Returns `n` candidates at random, from the entries in turn; the same for the same seed.

    A list stands for its values, {low, high} for the numbers between, {low, high, log: true} for
    those between on a logarithmic scale; whole numbers where both bounds are. Raises ConfigError
    for settings that the model does not have, and for ranges that hold no number.
    """
    rng = np.random.default_rng(seed)
    drawn = [
        _parse({key: _draw(value, rng) for key, value in space[place % len(space)].items()})
        for place in range(n if space else 0)
    ]
    return list(dict.fromkeys(drawn))


def _values(value: Any) -> list[Any]:
    if value == []:
        raise ConfigError("A list in recommend.search.space holds a value or more", "One is empty")
    return value if isinstance(value, list) else [value]


def _draw(value: Any, rng: np.random.Generator) -> Any:
    if isinstance(value, list):
        return _values(value)[int(rng.integers(len(value)))]
    if not isinstance(value, Mapping):
        return value
    low, high, is_log = _range(value)
    if is_log:
        drawn = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    else:
        drawn = float(rng.uniform(low, high))
    if isinstance(low, int) and isinstance(high, int):
        return round(drawn)
    # Three digits would else lead outside of narrow ranges.
    return min(max(float(f"{drawn:.3g}"), low), high)


def _range(value: Mapping[str, Any]) -> tuple[float, float, bool]:
    low: Any = value.get("low")
    high: Any = value.get("high")
    is_log = bool(value.get("log"))
    are_numbers = all(isinstance(end, int | float) and abs(end) < np.inf for end in (low, high))
    known = not set(value) - RANGE
    if not (known and are_numbers and low <= high and (low > 0 or not is_log)):
        raise ConfigError(
            "A range in recommend.search.space is {low, high} or {low, high, log: true}, low at "
            "most high, and above 0 on a logarithmic scale",
            f"Found {dict(value)}",
        )
    return low, high, is_log


def _when(entry: Mapping[str, Any]) -> When:
    try:
        return When.model_validate(entry.get(WHEN, {}))
    except ValidationError as error:
        found = "; ".join(f"{_where(one)}: {one['msg']}" for one in error.errors())
        raise ConfigError(
            "`when` in recommend.search.space is {items: {at_least: …, at_most: …}}, and the same "
            "for users, pairs and pairs_per_user",
            f"{dict(entry)}: {found}",
        ) from None


def _parse(settings: dict[str, Any]) -> Any:
    try:
        # In a list of lists a value is a list, which is no key.
        if (name := str(settings.get("model"))) in ELSEWHERE:
            raise ValueError(f"model is set by {ELSEWHERE[name]}")
        return _hashable(parse_params(settings))
    except (ValidationError, ValueError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            reason = "; ".join(_problem(detail, settings) for detail in error.errors())
        raise ConfigError(
            "Every entry of recommend.search.space is a model and its settings",
            f"{settings}: {reason}",
        ) from None


def _hashable(params: Any) -> Any:
    """Returns the settings; raises ValueError where a model of one's own has lists in them."""
    try:
        hash(params)
    except TypeError as error:
        raise ValueError(f"a setting of several values should be a tuple: {error}") from None
    return params


def _problem(detail: Any, settings: Mapping[str, Any]) -> str:
    """Returns what is wrong with a setting; of an unknown one, which there are."""
    where = _where(detail)
    if detail["type"] != "extra_forbidden":
        return f"{where}: {detail['msg']}"
    known = sorted({*settings_class(str(settings["model"])).model_fields, WHEN} - {"model"})
    return f"unknown setting '{where}', known are {', '.join(known)}"


def _where(detail: Any) -> str:
    return ".".join(map(str, detail["loc"])) or WHEN
