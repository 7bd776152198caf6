"""The form of conf/slots/<name>.yaml: a place of a page, an app or a mail."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sparkperso.config.experiments.bandit import SlotBandit
from sparkperso.config.segments import NAME
from sparkperso.core.event import Channel
from sparkperso.core.section import Section

SLOTS = "slots"
"""The folder of conf/."""
ListKind = Literal["new", "again", "mixed", "similar", "popular", "next"]
"""Lists that a slot may hold: those of gold/recommendations, of the item in view, of the shop, and
what comes next in the session."""
PERSONAL_LISTS = frozenset({"new", "again", "mixed", "next"})
"""Lists that only whoever agreed to personalisation gets; others get what is popular."""


class Slot(Section):
    """A place that content is shown in."""

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name: what a page asks for."""
    description: str = ""
    """Where it is."""
    channels: tuple[Channel, ...] = Field(default=("web",), min_length=1)
    """Where it exists."""
    format: Literal["html", "json"] = "html"
    """What its content is."""
    max_bytes: int = Field(default=50_000, ge=1, le=1_000_000)
    """Length of a body, at most (UTF-8)."""
    max_items: int = Field(default=0, ge=0, le=200)
    """Places of a list, at most; 0: it takes no list."""
    default: str | None = Field(default=None, pattern=NAME)
    """Content that is shown where no rule has any; without, the page keeps what is there."""
    bandit: SlotBandit | None = None
    """Has people shown one of several contents, whatever rules say: more often the one that moves a
    metric most."""


class ItemList(Section):
    """A list of items that is shown in a slot."""

    kind: ListKind = "new"
    """Which list."""
    n: int = Field(default=10, ge=1, le=200)
    """How many of it."""
