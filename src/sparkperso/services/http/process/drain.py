"""Whether this process was told to end: said first, so that nobody sends it more."""

from __future__ import annotations


class Drain:
    """What the signals of a process, or who watches it, have told it."""

    def __init__(self) -> None:
        self.is_begun = False
        """Readiness says no from then on, and each answer is the last one of its connection."""


DRAIN = Drain()
"""Of this process: signals are the process's too."""
