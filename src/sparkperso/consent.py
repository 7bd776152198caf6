"""When an event may be kept: its purpose, what its person said, and where that person is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

Purpose = Literal["necessary", "analytics", "personalisation", "recording", "marketing"]
PURPOSES: Final = get_args(Purpose)
NECESSARY: Final = "necessary"
OPTIONAL: Final = tuple(purpose for purpose in PURPOSES if purpose != NECESSARY)
DEFAULT_PURPOSE: Final = "analytics"
REQUIRED: Final = "required"


def is_allowed(
    purpose: str, basis: str, regime: str, decision: bool | None, opted_out: bool
) -> bool:
    """Says whether an event may be collected for a purpose.

    `basis` is `required` or `assumed: <legal basis>`; `regime` is `opt_in` or `opt_out` (where the
    person is); `decision` is the person's own, None without one; `opted_out` says that the browser
    sent Global Privacy Control or Do Not Track.

    What is necessary needs no consent. A no always holds, whatever basis is assumed. In an opt-out
    region the browser's signal is a no, even after a yes (CCPA regulations, section 7025 (c)); in
    an opt-in region a yes to this purpose is the more specific word.
    """
    if purpose == NECESSARY:
        return True
    if decision is False or (opted_out and regime == "opt_out"):
        return False
    return decision is True or basis != REQUIRED or regime == "opt_out"


def decision_of(states: Iterable[Mapping[str, bool]], purpose: str) -> bool | None:
    """Returns what the identifiers of one person decided: a no of any outweighs a yes of others."""
    said = [state[purpose] for state in states if purpose in state]
    return all(said) if said else None
