"""How ingest spells what it writes: countries, categories, channels, kinds of devices.

Whoever compares with columns of silver spells in the same way, or compares with what cannot occur.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

DEVICES = ("mobile", "desktop", "tablet")
"""The kinds of devices that features count."""


def country_codes(aliases: Mapping[str, str]) -> dict[str, str]:
    """Returns names and codes of ISO 3166 and `aliases`, in capitals → alpha-2 code.

    An alias replaces a name of ISO 3166.
    """
    return dict(_iso()) | {name.upper(): code for name, code in aliases.items()}


def snake_case(text: str) -> str:
    """Returns `text` in lower case with `_` for every run of what is no word; maybe empty.

    Words are of letters, marks (of Hindi's vowels, for one) and numbers of any alphabet.

    >>> snake_case("Home & Décor")
    'home_décor'
    """
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text.lower())
    return "_".join(words.split())


@lru_cache(maxsize=1)
def _iso() -> Mapping[str, str]:
    # Loaded by those who need it: the collector reads configuration without.
    import pycountry

    return {
        str(getattr(country, kind)).upper(): country.alpha_2
        for kind in ("name", "official_name", "common_name", "alpha_3", "alpha_2")
        for country in pycountry.countries
        if getattr(country, kind, None)
    }
