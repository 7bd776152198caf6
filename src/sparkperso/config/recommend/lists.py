"""What build-recommendations writes: section `recommend.lists`."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from sparkperso.core.section import Section

Name = Annotated[str, Field(min_length=1)]
Kind = Literal["new", "again", "mixed"]


class EligibilityConfig(Section):
    """Which items may be shown to whom.

    Attributes are keys of silver/items.attributes; an item without one, or with an empty one, is
    let pass by that rule.
    """

    in_stock: Name | None = None
    """Attribute that says whether an item can be had: numbers of 0 or less,
    false, no, n, off and out mean that it cannot."""
    countries: Name | None = None
    """Attribute with the countries where an item may be shown, separated by commas, by code or name
    (ISO 3166, ingest.country_aliases); users of unknown country are not shown such an item."""
    min_age: Name | None = None
    """Attribute with the age in years from which an item may be shown; users of unknown age are not
    shown such an item."""
    blocked_items: tuple[str, ...] = ()
    """item_ids that are never listed."""
    blocked_categories: tuple[str, ...] = ()
    """Categories whose items are never listed."""


class DiversityConfig(Section):
    """How lists are kept from being more of the same; off unless one of the two is set."""

    max_per_category: int | None = Field(default=None, ge=1)
    """Most items of one category in a list; items without a category are not limited. A list may
    come out shorter where the shortlist has too few categories. None: no limit."""
    mmr_lambda: float | None = Field(default=None, ge=0, le=1)
    """Weight of the score against likeness to what is listed already (maximal marginal relevance);
    1 is the plain order, 0 looks at likeness alone. None: no re-ranking."""
    shortlist: int = Field(default=5, ge=1, le=100)
    """A list is chosen from the best `shortlist` × n items."""

    @property
    def is_on(self) -> bool:
        """Whether anything is asked for."""
        return self.max_per_category is not None or self.mmr_lambda is not None


class GraphConfig(Section):
    """The graph (HNSW) in which similar items are searched; recall grows with each setting."""

    connectivity: int = Field(default=32, ge=2, le=512)
    """Edges per item; memory grows with it."""
    expansion_add: int = Field(default=128, ge=1, le=10_000)
    """Candidates looked at when an item is added."""
    expansion_search: int = Field(default=256, ge=1, le=10_000)
    """Candidates looked at when the neighbours of an item are searched."""


class RepeatsParams(Section):
    """What is expected of buying again: `recommend.lists.repeats` has its formula."""

    category_orders: float = Field(default=300.0, gt=0)
    """Orders that the shop's rate weighs in a category's."""
    item_orders: float = Field(default=1000.0, gt=0)
    """Orders that the category's rate weighs in an item's."""
    pair_orders: float = Field(default=300.0, gt=0)
    """Orders that the item's rate weighs in a person's."""
    demand: float = Field(default=0.5, ge=0, le=2)
    """Power of an item's late sales, relative to its category's mean, in its rate; 0: none."""
    end: float | None = Field(default=None, gt=0)
    """How soon a person who is overdue is believed to buy an item no more: `a` of a Beta
    distribution, b = 1, of the chance that a purchase was the last; None: people go on for ever."""

    @property
    def model(self) -> str:
        """What a run of these settings is called."""
        return "again"


class RepeatsConfig(Section):
    """Lists of what people are expected to buy again, of their own items (kind `again`)."""

    n_items: int = Field(default=20, ge=1, le=1000)
    """Length of a user's list."""
    params: RepeatsParams | None = None
    """How purchases are expected, whatever training chose; None: as the champion's training chose,
    where it did, else the settings' defaults."""
    space: tuple[dict[str, Any], ...] = (
        {"pair_orders": [10, 30, 100, 300], "item_orders": [300, 1000], "end": [None, 0.3]},
    )
    """Entries of settings for training to choose from, on the folds, by lists of this kind alone; a
    list stands for one value after the other."""
    demand_half_life_days: float = Field(default=60.0, gt=0)
    """Age at which a sale counts half in an item's late sales."""
    share_items: float = Field(default=10.0, gt=0)
    """Purchases that the shop's share of repeats weighs in a person's (kind `mixed`)."""

    @property
    def candidates(self) -> list[RepeatsParams]:
        """The settings that training is to try, each once: `params`, where they are set."""
        if self.params is not None:
            return [self.params]
        return _candidates(self.space)

    @field_validator("space")
    @classmethod
    def _is_readable(cls, space: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        if not space or any([] in entry.values() for entry in space):
            raise ValueError("space should hold an entry or more, and no empty list")
        _candidates(space)
        return space


def _candidates(space: tuple[dict[str, Any], ...]) -> list[RepeatsParams]:
    drawn = [
        RepeatsParams(**dict(zip(entry, values, strict=True)))
        for entry in space
        for values in product(*(v if isinstance(v, list) else [v] for v in entry.values()))
    ]
    return list(dict.fromkeys(drawn))


class ListsConfig(Section):
    """What build-recommendations writes."""

    n_items: int = Field(default=20, ge=1, le=1000)
    """Length of a user's list of new items, and of a mixed one."""
    kinds: tuple[Kind, ...] = ("new", "again")
    """Lists that every user gets: of `new` items; of what is to be bought `again`; `mixed`, of both
    in the share that the person buys them in. New ones are always made; a grocer's customers want
    what they had before, whatever is new."""
    repeats: RepeatsConfig = Field(default_factory=RepeatsConfig)
    """How lists of the kind `again` are made."""
    n_similar: int = Field(default=10, ge=1, le=1000)
    """Similar items per item."""
    n_popular: int = Field(default=50, ge=1, le=10_000)
    """Popular items per scope."""
    popular_by_country: bool = True
    """Popular items per country (`country:GB`) beside the global list."""
    popular_by_segment: bool = True
    """Popular items per segment of gold/segments (`segment:<id>`) too."""
    popular_min_events: int = Field(default=100, ge=1)
    """Countries and segments with fewer counted events get no list of their own."""
    without_champion: Literal["keep", "popularity"] = "keep"
    """What becomes of personal lists while no version is champion: those of the last champion stay
    (popularity's only where there are none), or all become popularity's."""
    driver_users: int = Field(default=10_000, ge=0)
    """Up to so many users get their lists in the driver, which spares starting Python in the
    executors; more get them in tasks."""
    exact_items: int = Field(default=20_000, ge=0)
    """Largest catalogue whose similar items are found by comparing every pair; above, a graph is
    searched."""
    graph: GraphConfig = Field(default_factory=GraphConfig)
    """The graph that is searched above `exact_items`."""
    eligibility: EligibilityConfig = Field(default_factory=EligibilityConfig)
    """Which items may be shown to whom."""
    diversity: DiversityConfig = Field(default_factory=DiversityConfig)
    """How lists are kept from being more of the same."""

    @field_validator("kinds")
    @classmethod
    def _has_new(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if "new" not in kinds or len(set(kinds)) < len(kinds):
            raise ValueError("kinds should hold 'new', and each kind once")
        return kinds
