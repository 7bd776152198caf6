"""Which items may be shown to whom: in stock, country, age limit, blocklist.

What is the same for all users is one mask; what depends on the user is a rule, applied to a block
of scores. What is not known counts against showing: a user of unknown country sees no item that is
limited to countries, one of unknown age none that has an age limit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sparkperso.config.recommend.lists import EligibilityConfig
from sparkperso.core.spellings import country_codes, snake_case
from sparkperso.recommend.arrays.attributes import (
    age_limit,
    age_of,
    countries_in,
    countries_of,
    is_no,
)
from sparkperso.recommend.arrays.catalogue import Catalogue, Floats
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.recommend.arrays.numbers import Ints, Singles
from sparkperso.recommend.scoring.top_n import Rule

Value = TypeVar("Value", bound=Hashable)


def allowed_items(config: EligibilityConfig, catalogue: Catalogue) -> npt.NDArray[np.bool_] | None:
    """Returns which items may be shown to anybody (items,), bool; None: all of them.

    Left out are blocked items and categories (as configured, or in snake case, as ingest writes
    them) and what is out of stock; an item without the attribute of stock counts as in stock.
    """
    blocked = np.isin(catalogue.ids.astype(str), list(config.blocked_items))
    categories = [*config.blocked_categories, *map(snake_case, config.blocked_categories)]
    blocked |= np.isin(catalogue.categories.astype(str), categories)
    for item, text in _texts_of(config.in_stock, catalogue):
        blocked[item] |= is_no(text)
    return ~blocked if blocked.any() else None


def user_rules(
    config: EligibilityConfig,
    catalogue: Catalogue,
    year: int,
    aliases: Mapping[str, str] | None = None,
) -> tuple[Rule, ...]:
    """Returns the rules that depend on the user, none for what no item has an attribute of.

    `year` is the one that ages are counted in (UTC, of as-of); `aliases` are names of countries
    beside those of ISO 3166, in any case → code.
    """
    rules: list[Rule] = []
    limited = list(_texts_of(config.countries, catalogue))
    codes = country_codes(aliases or {}) if limited else {}
    countries = {item: countries_in(text, codes) for item, text in limited}
    if countries:
        rules.append(country_rule(countries))
    ages = {item: age_limit(text) for item, text in _texts_of(config.min_age, catalogue)}
    if ages:
        rules.append(AgeRule(_positions(ages), np.array(list(ages.values())), year))
    return tuple(rules)


def unused_attributes(config: EligibilityConfig, catalogue: Catalogue) -> list[str]:
    """Returns the attributes that the configuration names and no item has: rules without effect.

    A misspelt name would else let every item be shown.
    """
    names = (config.in_stock, config.countries, config.min_age)
    return [name for name in names if name and not any(_texts_of(name, catalogue))]


@dataclass(frozen=True)
class CountryRule:
    """Items that may be shown in some countries only."""

    items: Ints
    """Positions of the limited items."""
    groups: Ints
    """Per limited item, its place in `sets`: items share few distinct sets of countries."""
    sets: tuple[frozenset[str], ...]
    """Distinct sets of country codes."""

    def forbid(self, scores: Singles, users: Histories) -> None:
        """Sets to -inf what may not be shown in the user's country.

        A user of several countries is shown what may be shown in all of them.
        """
        for codes, rows in _rows_by(countries_of(own) for own in users.attributes).items():
            is_open = np.array([bool(codes) and codes <= allowed for allowed in self.sets])
            _close(scores, rows, self.items[~is_open[self.groups]])


@dataclass(frozen=True)
class AgeRule:
    """Items with an age limit."""

    items: Ints
    """Positions of the limited items."""
    limits: Floats
    """Age in years from which each may be shown; inf: never."""
    year: int
    """Year that ages are counted in."""

    def forbid(self, scores: Singles, users: Histories) -> None:
        """Sets to -inf what the user is not surely old enough for."""
        for age, rows in _rows_by(age_of(own, self.year) for own in users.attributes).items():
            _close(scores, rows, self.items[self.limits > age])


def country_rule(countries: dict[int, frozenset[str]]) -> CountryRule:
    """Returns the rule of items (by position) that are limited to countries."""
    # Sorted, so that the rule is the same in every process.
    sets = tuple(sorted(set(countries.values()), key=sorted))
    places = {codes: place for place, codes in enumerate(sets)}
    groups = np.array([places[codes] for codes in countries.values()], dtype=np.int64)
    return CountryRule(_positions(countries), groups, sets)


def _texts_of(name: str | None, catalogue: Catalogue) -> Iterable[tuple[int, str]]:
    """Yields position and text of the items that have an attribute."""
    for item, attributes in enumerate(catalogue.attributes if name else ()):
        text = attributes.get(name or "") or ""
        if text.strip():
            yield item, text


def _rows_by(values: Iterable[Value]) -> dict[Value, Ints]:
    """Returns the rows of each distinct value."""
    rows: dict[Value, list[int]] = {}
    for row, value in enumerate(values):
        rows.setdefault(value, []).append(row)
    return {value: np.array(own, dtype=np.int64) for value, own in rows.items()}


def _close(scores: Singles, rows: Ints, items: Ints) -> None:
    scores[rows[:, None], items[None, :]] = -np.inf


def _positions(items: Iterable[int]) -> Ints:
    return np.array(list(items), dtype=np.int64)
