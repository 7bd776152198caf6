"""What the texts of attributes say: stock, countries and ages of items and users."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

BIRTH_YEAR = "birth_year"
"""Name of the user attribute that holds the exact year of birth."""
DECADE = 10
NO = frozenset({"false", "no", "n", "off", "out"})
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
AGE = re.compile(r"(\d+)\+?")


def is_no(text: str) -> bool:
    """Returns whether a text says no: a number of 0 or less, false, no, n, off or out."""
    text = text.strip().lower()
    return float(text) <= 0 if NUMBER.fullmatch(text) else text in NO


def country_codes(text: str) -> frozenset[str]:
    """Returns the codes of a text like 'GB, ie'."""
    return frozenset(code.strip().upper() for code in text.split(",") if code.strip())


def age_limit(text: str) -> float:
    """Returns the age of a text like '18' or '16+'; inf where it is no age: shown to nobody."""
    found = AGE.fullmatch(text.strip())
    return float(found.group(1)) if found else np.inf


def age_of(attributes: Iterable[str], year: int) -> float:
    """Returns the age in years that a user has surely reached at the start of `year`.

    `birth_year=1994` tells the year, else `born=1990` its decade, of which the last year is taken;
    the birthday of `year` may be still to come. -1 where neither is told.
    """
    values = dict.fromkeys((BIRTH_YEAR, "born"), -np.inf)
    for name, _, value in (token.partition("=") for token in attributes):
        if name in values and value.isdecimal():
            values[name] = max(values[name], float(value))
    born = values[BIRTH_YEAR] if values[BIRTH_YEAR] > 0 else values["born"] + DECADE - 1
    return max(year - born - 1, -1.0) if np.isfinite(born) else -1.0


def countries_of(attributes: Iterable[str]) -> frozenset[str]:
    """Returns the countries of a user, upper case."""
    pairs = (token.partition("=") for token in attributes)
    return frozenset(value.upper() for name, _, value in pairs if name == "country" and value)
