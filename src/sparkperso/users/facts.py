"""Facts about a person, by their names, and what an age is: plain Python.

**Age** is the number of years that a person has surely completed: the year of as-of (UTC), less the
year of birth, less 1, since the birthday may be still to come. So nobody is taken for older than
they are.
"""

from __future__ import annotations

from datetime import datetime, timezone

BIRTH_YEAR, COUNTRY = "birth_year", "country"
FACTS = (BIRTH_YEAR, COUNTRY)
DECADE = "born"
"""Name of the attribute that holds the decade of birth."""
SPELLINGS = {
    "birthyear": BIRTH_YEAR,
    "yearofbirth": BIRTH_YEAR,
    "country": COUNTRY,
    "countrycode": COUNTRY,
    "countryname": COUNTRY,
}
"""What clients call the facts, in small letters alone → fact."""
FIRST_YEAR = 1900
"""Years of birth before it are taken for mistakes."""


def age_reached(birth_year: float, year: int) -> float:
    """Returns the age in years that somebody has surely reached on any day of `year`.

    >>> age_reached(1994, 2024), age_reached(2024, 2024)
    (29, 0)
    """
    return max(year - birth_year - 1, 0)


def year_of(as_of: datetime) -> int:
    """Returns the year that ages are counted in; a time without a zone is UTC."""
    return as_of.astimezone(timezone.utc).year if as_of.tzinfo else as_of.year


def is_birth_year(value: float, year: int) -> bool:
    """Returns whether somebody who lives in `year` may have been born in the year `value`."""
    return FIRST_YEAR <= value <= year
