"""How long work shows its user how far it is; what shows it is chosen by who starts the work."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Shows one line."""
Count = Callable[[int, int, str], None]
"""Shows how many pieces of work are done, of how many, and what they are called."""


def no_count(done: int, total: int, what: str) -> None:
    """Shows nothing: for work whose lines say enough."""
