"""The name that somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 200
"""Characters of a name that is compared: what is longer is no misspelling."""


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Returns the known name most like `name`, None where none is alike by `cutoff` of 0 to 1.

    Likeness is that of difflib's `get_close_matches` (Ratcliff & Obershelp); of equals, the first
    in the order of the alphabet that it finds.
    """
    matches = nearest_few(name, known, 1, cutoff)
    return matches[0] if matches else None


def nearest_few(name: str, known: Iterable[str], n: int, cutoff: float) -> list[str]:
    """Returns up to `n` known names that are like `name` by `cutoff`, the most alike first."""
    return get_close_matches(name[:LONGEST], sorted(known), n=n, cutoff=cutoff)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Returns the question for an error's last sentence, or `otherwise` where nothing is alike.

    >>> did_you_mean("popularty", ["als", "popularity"])
    "Did you mean 'popularity'?"
    """
    near = nearest(name, known)
    return f"Did you mean '{near}'?" if near else otherwise
