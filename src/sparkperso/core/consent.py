"""When an event may be kept: its purpose, what its person said, and where that person is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

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
    # Before anything that allows: nothing outweighs a no.
    if decision is False or (opted_out and regime == "opt_out"):
        return False
    return decision is True or basis != REQUIRED or regime == "opt_out"


class Decision(NamedTuple):
    """What was decided on a purpose, and when (ISO 8601 in UTC, of one length)."""

    is_granted: bool
    decided_at: str


Decisions = Mapping[str, Decision]
"""Purpose → decision of one identifier."""


def after(decisions: Decisions, answers: Mapping[str, bool], decided_at: str) -> Decisions:
    """Returns what one identifier has decided after one more decision on some purposes.

    A no always holds; a yes that comes late, from a queue or a retry, undoes no later no. So the
    order in which decisions arrive only matters where they are of the same moment.

    >>> no = Decision(False, "2026-02-01T00:00:00.000000Z")
    >>> after({"analytics": no}, {"analytics": True}, "2026-01-01T00:00:00.000000Z")["analytics"]
    Decision(is_granted=False, decided_at='2026-02-01T00:00:00.000000Z')
    """
    state = dict(decisions)
    for purpose, is_granted in answers.items():
        before = state.get(purpose)
        if before is None or not is_granted or decided_at > before.decided_at:
            latest = decided_at if before is None else max(decided_at, before.decided_at)
            state[purpose] = Decision(is_granted, latest)
    return state


def decision_of(user: Decisions, browser: Decisions, purpose: str) -> bool | None:
    """Returns what a person decided, by their user id and by their browser's (anonymous) id.

    A no of either outweighs a yes of the other, but for one: who agrees in a browser after their
    user id said no, agrees to what that browser sends. So a withdrawal holds on all devices until
    its person decides anew on one of them, and then on that one alone.
    """
    of_user, of_browser = user.get(purpose), browser.get(purpose)
    if of_user is None or of_browser is None:
        only = of_user or of_browser
        return only.is_granted if only else None
    is_newer = of_browser.is_granted and of_browser.decided_at > of_user.decided_at
    return is_newer or (of_user.is_granted and of_browser.is_granted)
