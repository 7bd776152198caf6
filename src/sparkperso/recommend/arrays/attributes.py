"""What the texts of attributes mean: stock, countries and ages of items and users.

Attributes of items come from a shop's own catalogue, as text in whatever form it has. Where a text
is no value of its kind, the reading that shows less is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from sparkperso.users.facts import BIRTH_YEAR, age_reached, is_birth_year

NO = frozenset({"false", "no", "n", "off", "out"})
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
AGE = re.compile(r"(\d+)\+?")


def is_no(text: str) -> bool:
    """Returns whether a text says no: a number of 0 or less, false, no, n, off or out.

    >>> [is_no(text) for text in ("0", "False", "12", "in stock")]
    [True, True, False, False]
    """
    text = text.strip().lower()
    return float(text) <= 0 if NUMBER.fullmatch(text) else text in NO


def countries_in(text: str, codes: Mapping[str, str]) -> frozenset[str]:
    """Returns the codes of a text like 'GB, ie, Germany'; what is in none of `codes` stays.

    `codes` has names and codes in upper case (`core.spellings.country_codes`). An unknown name
    stays as it is, in upper case: no user is of such a country, so it opens nothing.

    >>> sorted(countries_in("GB, ie, Germany", {"GERMANY": "DE"}))
    ['DE', 'GB', 'IE']
    """
    names = (name.strip().upper() for name in text.split(","))
    return frozenset(codes.get(name, name) for name in names if name)


def age_limit(text: str) -> float:
    """Returns the age in years of a text like '18' or '16+'; inf where it is none: for nobody.

    >>> age_limit("16+"), age_limit("adults")
    (16.0, inf)
    """
    match = AGE.fullmatch(text.strip())
    return float(match.group(1)) if match else np.inf


def age_of(attributes: Iterable[str], year: int) -> float:
    """Returns the age of `users.facts.age_reached` by `birth_year=1994`; -1 where it is not known.

    Of several years the latest counts, hence the youngest age.

    >>> age_of(["country=GB", "birth_year=1994"], year=2024), age_of(["country=GB"], year=2024)
    (29.0, -1.0)
    """
    pairs = (token.partition("=") for token in attributes)
    years = [float(text) for name, _, text in pairs if name == BIRTH_YEAR and text.isdecimal()]
    born = max((born for born in years if is_birth_year(born, year)), default=None)
    return -1.0 if born is None else age_reached(born, year)


def countries_of(attributes: Iterable[str]) -> frozenset[str]:
    """Returns the countries of a user, upper case; none where no attribute tells."""
    pairs = (token.partition("=") for token in attributes)
    return frozenset(value.upper() for name, _, value in pairs if name == "country" and value)
