"""The form of conf/rules/<name>.yaml: what is shown to whom, and which items lists may hold."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from sparkperso.config.content.slots import ItemList, ListKind
from sparkperso.config.content.window import Window
from sparkperso.config.segments import NAME
from sparkperso.core.section import Section
from sparkperso.rules.conditions import Comparison, Condition, Texts

RULES = "rules"
"""The folder of conf/."""
ItemId = Annotated[str, Field(min_length=1)]
Place = Annotated[int, Field(ge=1, le=200)]


class Show(Section):
    """What a slot shows: content, or a list of items alone."""

    slot: str = Field(pattern=NAME)
    """Name of conf/slots."""
    content: str | None = Field(default=None, pattern=NAME)
    """Name of conf/content."""
    items: ItemList | None = None
    """A list; beside content, in place of the content's own."""

    @model_validator(mode="after")
    def _shows_something(self) -> Show:
        if self.content is None and self.items is None:
            raise ValueError("give content or items")
        return self


class ItemFilter(Section):
    """Which items; all that is given must fit, nothing given fits every item."""

    item_id: Texts | None = None
    category: Texts | None = None
    """As ingest spells them: `home_decor`."""
    tag: Texts | None = None
    """Any of the item's tags."""
    price: Comparison | None = None
    """An item without a price fits no bounds."""


class Block(ItemFilter):
    """Items that are left out."""

    @model_validator(mode="after")
    def _names_items(self) -> Block:
        if not self.model_fields_set:
            raise ValueError("name the items: every item would be left out")
        return self


class Available(Block):
    """Items that are left out but for a time."""

    during: Window
    """When they may be listed."""


class Boost(ItemFilter):
    """Items that move up or down."""

    by: float = Field(gt=0, le=1000)
    """An item moves as though its place were divided by it: 2 takes place 10 to about 5, 0.5 to
    about 20."""


class Limit(ItemFilter):
    """How many items of each category a list holds at most."""

    n: int = Field(ge=1)
    """So many; items without a category are not limited."""


Action = Literal["show", "block", "available", "boost", "pin", "max_per_category"]
ACTIONS: tuple[Action, ...] = get_args(Action)


class Rule(Section):
    """A condition, and one thing that it does: fills a slot, or changes lists of items."""

    name: str = Field(pattern=NAME, max_length=60)
    """The file's name."""
    description: str = ""
    """What it is for."""
    enabled: bool = True
    """Whether it counts at all."""
    if_: Condition | None = Field(default=None, alias="if")
    """For whom and when; always, without. The forms are in src/sparkperso/rules/conditions.py."""
    priority: int = Field(default=0, ge=-1000, le=1000)
    """Of several rules for one slot, or of pins for one place, the highest goes first."""
    valid: Window = Field(default_factory=Window)
    """When it counts."""
    show: Show | None = None
    """Fills a slot."""
    block: Block | None = None
    """Leaves items out of lists."""
    available: Available | None = None
    """Leaves items out of lists but for a time."""
    boost: Boost | None = None
    """Moves items up or down."""
    pin: dict[ItemId, Place] | None = Field(default=None, min_length=1)
    """Item → its place in the list, from 1."""
    max_per_category: Limit | None = None
    """Bounds how many items are of one category."""
    slots: tuple[str, ...] = ()
    """Of a rule for items: the slots whose lists it changes; () for all."""
    lists: tuple[ListKind, ...] = ()
    """Of a rule for items: the kinds of lists that it changes; () for all."""

    @property
    def action(self) -> Action:
        """Returns what the rule does."""
        return next(name for name in ACTIONS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _does_one_thing(self) -> Rule:
        given = [name for name in ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(ACTIONS)}")
        if given == ["show"] and (self.slots or self.lists):
            raise ValueError("'slots' and 'lists' are of rules for items: 'show' names its slot")
        places = list((self.pin or {}).values())
        if len(set(places)) < len(places):
            raise ValueError(f"pin: two items cannot stand at one place: {sorted(places)}")
        return self
