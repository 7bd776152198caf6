"""How ingest spells what it writes: countries, categories, channels, kinds of devices.

Whoever compares with columns of silver spells in the same way, or compares with what cannot occur.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

DEVICES = ("mobile", "desktop", "tablet")
"""The kinds of devices that features count."""
NO_WORD = re.compile(r"[\W_]+")


def country_codes(aliases: Mapping[str, str]) -> dict[str, str]:
    """Returns names and codes of ISO 3166 and `aliases`, in capitals → alpha-2 code."""
    return dict(_iso()) | {name.upper(): code for name, code in aliases.items()}


def snake_case(text: str) -> str:
    """Returns `text` in lower case with `_` for every run of other characters; maybe empty."""
    return NO_WORD.sub("_", text.lower()).strip("_")


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
