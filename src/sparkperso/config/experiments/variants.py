"""What a variant of an experiment changes, and how many units are given it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from sparkperso.config.segments import NAME
from sparkperso.core.section import Section

BETWEEN_LEVELS = "."
"""Between the levels in the name of a cell; it stands in no name of a level."""
Name = Annotated[str, Field(pattern=NAME, max_length=60)]
Model = Annotated[str, Field(pattern=r"^(champion|candidate|[0-9]{1,9})$")]


class RuleSwitches(Section):
    """Rules of conf/rules that count for a variant otherwise than they do."""

    on: tuple[Name, ...] = ()
    """Rules that count although they are not enabled."""
    off: tuple[Name, ...] = ()
    """Rules that do not count."""

    @model_validator(mode="after")
    def _switches_each_once(self) -> RuleSwitches:
        named = (*self.on, *self.off)
        if not named or len(set(named)) < len(named):
            raise ValueError("name rules, each once, in 'on' or in 'off'")
        return self


class Changes(Section):
    """What a unit of a variant is shown otherwise; nothing, where a caller acts on the name."""

    description: str = ""
    """What it is."""
    content: dict[Name, Name] = Field(default_factory=dict)
    """Slot → content of conf/content that it shows, whatever rules say."""
    rules: RuleSwitches | None = None
    """Rules that are switched on or off."""
    model: Model | None = None
    """Whose lists are shown: `champion`, `candidate`, or a version of the registered model, where
    the serving store has its lists."""
    strategy: Literal["personal", "popularity"] | None = None
    """`popularity`: lists hold what is popular where the person is, as for somebody unknown."""
    payload: JsonValue = None
    """What callers of /v1/decide, of OpenFeature and of GrowthBook get: any JSON but null."""


class Variant(Changes):
    """One of the alternatives that are compared.

    >>> Variant.model_validate(3).weight, Variant.model_validate({"payload": True}).weight
    (3.0, 1.0)
    """

    weight: float = Field(default=1.0, gt=0, le=1e6)
    """Its share of the units, as a part of the sum of all weights."""

    @model_validator(mode="before")
    @classmethod
    def _may_be_a_weight(cls, value: Any) -> Any:
        if isinstance(value, Mapping | Changes):
            return value
        if isinstance(value, bool | list) or value is None:
            raise ValueError("a variant is its weight, such as 1, or what it changes")
        # YAML takes 1e6 for text, which is a number all the same.
        return {"weight": value}


def _in_order(value: Any) -> Any:
    return value if isinstance(value, Mapping) else {name: {} for name in value or ()}


Levels = Annotated[
    dict[Name, Variant], BeforeValidator(_in_order), Field(min_length=2, max_length=20)
]
"""The levels of a factor; a list of names has equal weights."""


def cells_of(factors: Mapping[str, Mapping[str, Variant]]) -> dict[str, Variant]:
    """Returns the cells of a factorial design: each combination of one level of each factor.

    Weights multiply, so that factors are independent of each other; changes add up. The payload has
    each factor's level: its payload, else its name. Raises ValueError where two factors change the
    same.

    >>> colour = {"red": Variant(weight=1), "blue": Variant(weight=3)}
    >>> size = {"small": Variant(), "large": Variant()}
    >>> [(n, c.weight) for n, c in cells_of({"colour": colour, "size": size}).items()][-1]
    ('blue.large', 3.0)
    """
    cells = {}
    for levels in product(*(each.items() for each in factors.values())):
        variants = [variant for _, variant in levels]
        payload = {
            factor: name if variant.payload is None else variant.payload
            for factor, (name, variant) in zip(factors, levels, strict=True)
        }
        cells[BETWEEN_LEVELS.join(name for name, _ in levels)] = Variant(
            weight=prod(variant.weight for variant in variants),
            content=_merged([variant.content for variant in variants]),
            rules=_switches([variant.rules for variant in variants if variant.rules]),
            model=_only("model", variants),
            strategy=_only("strategy", variants),
            payload=payload,
        )
    return cells


def _merged(parts: list[dict[str, str]]) -> dict[str, str]:
    slots = [slot for part in parts for slot in part]
    if len(set(slots)) < len(slots):
        raise ValueError("factors: two of them change the content of one slot")
    return {slot: content for part in parts for slot, content in part.items()}


def _switches(parts: list[RuleSwitches]) -> RuleSwitches | None:
    if not parts:
        return None
    return RuleSwitches(
        on=tuple(name for part in parts for name in part.on),
        off=tuple(name for part in parts for name in part.off),
    )


def _only(name: str, variants: list[Variant]) -> Any:
    values = [value for one in variants if (value := getattr(one, name)) is not None]
    if len(values) > 1:
        raise ValueError(f"factors: two of them change the {name}")
    return values[0] if values else None
