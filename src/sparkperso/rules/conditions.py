"""The form of a condition: `when:` of conf/segments/<name>.yaml, `if:` of conf/rules/<name>.yaml.

A condition is an object with one of the keys of CONDITIONS; `all`, `any` and `not` hold others.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from sparkperso.core.section import Section
from sparkperso.core.times import known_zone


def _listed(value: Any) -> Any:
    """One text may stand for a list of one."""
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""One text, or several of which any fits."""
Bound = float | int
COMPARISONS = ("at_least", "at_most", "above", "below", "between")
TEXT_COMPARISONS = ("one_of", "none_of", "begins_with")


class EventFilter(Section):
    """Which events count: all that is given must fit; nothing given fits every event.

    >>> EventFilter(event_type="purchase", country=("DE", "AT")).event_type  # one text, or several
    ('purchase',)
    """

    event_type: Texts | None = None
    channel: Texts | None = None
    item_id: Texts | None = None
    device_type: Texts | None = None
    os: Texts | None = None
    country: Texts | None = None
    campaign: Texts | None = None
    metadata: dict[str, Texts] = Field(default_factory=dict)
    """Key of the event's metadata → values."""
    not_empty: tuple[str, ...] = ()
    """Keys of the metadata that must have a value."""


class Comparison(Section):
    """A number and its bounds; those given must all hold."""

    at_least: Bound | None = None
    at_most: Bound | None = None
    above: Bound | None = None
    below: Bound | None = None
    between: tuple[Bound, Bound] | None = None
    """Both ends belong to it."""

    @property
    def bounds(self) -> dict[str, Any]:
        """Returns the comparisons that are given."""
        return {n: getattr(self, n) for n in COMPARISONS if getattr(self, n) is not None}

    @model_validator(mode="after")
    def _is_possible(self) -> Comparison:
        if self.between and self.between[0] > self.between[1]:
            raise ValueError(f"between should go from low to high: {list(self.between)}")
        return self


class MeasureCondition(Comparison):
    """A number of a person's events within a window, and its bounds.

    The window is in days and ends now; it begins at a full hour (`rules.evaluate.window_start`).
    """

    within_days: float | None = Field(default=None, gt=0)
    """Length of the window that ends now; without it, everything counts."""

    @model_validator(mode="after")
    def _is_compared(self) -> MeasureCondition:
        if not self.bounds:
            raise ValueError(f"give one of {', '.join(COMPARISONS)}")
        return self


class ValueCondition(Comparison):
    """A value by its name, and what it is compared with.

    Exactly one of three forms: bounds of a number, texts, or whether there is one at all.
    """

    one_of: Texts | None = None
    none_of: Texts | None = None
    """Holds where there is no value, too."""
    exists: bool | None = None

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """Returns the comparisons of texts that are given."""
        names = [n for n in TEXT_COMPARISONS if n in type(self).model_fields]
        return {n: value for n in names if (value := getattr(self, n)) is not None}

    @property
    def is_text(self) -> bool:
        """Says whether texts are compared."""
        return bool(self.texts)

    @model_validator(mode="after")
    def _is_one_form(self) -> ValueCondition:
        if sum((bool(self.bounds), self.is_text, self.exists is not None)) != 1:
            texts = [n for n in TEXT_COMPARISONS if n in type(self).model_fields]
            forms = ", ".join((*COMPARISONS, *texts, "exists"))
            raise ValueError(f"give one of {forms}; numbers and texts do not mix")
        return self


class Attribute(ValueCondition):
    """A fact of the profile, a feature of gold/user_features, or a trait as `traits.<name>`."""

    attribute: str = Field(min_length=1)


class Context(ValueCondition):
    """A fact of the request that is answered; `rules.context` names them and what they mean.

    One that holds several texts (`cart`, `recent`, `language`) is one of those given where any of
    its texts is, and none of them where none is.
    """

    context: str = Field(min_length=1)
    begins_with: Texts | None = None
    """Beginnings of texts: `/sale` fits `/sale/lamps`."""
    zone: Annotated[str, AfterValidator(known_zone)] | None = None
    """Where the hour and the weekday are taken; UTC without."""


class Count(MeasureCondition):
    """How many events of a kind there are."""

    count: EventFilter


class Sum(MeasureCondition):
    """The sum of the values of events of a kind, in currency, as sent.

    A refund's is positive too.
    """

    sum_value: EventFilter


class Visits(MeasureCondition):
    """How many different sessions hold events of a kind.

    An event without a session id counts as one visit with the others of its hour.
    """

    visits: EventFilter


class DaysSince(MeasureCondition):
    """Days since the last event of a kind, with fractions; whoever has none is not in it."""

    days_since_last: EventFilter


class Uses(MeasureCondition):
    """How many of the named product features were used (`metadata.feature` of any event).

    Each feature counts once, however often it was used.
    """

    uses: Texts
    at_least: Bound | None = 1


class Sequence(Section):
    """An event and, within some days after it, another of the same person: happened or not.

    A `then` that did not happen is known when its days are over; until then the rule is silent.
    """

    first: EventFilter
    then: EventFilter
    within_days: float = Field(gt=0)
    """Days after `first` in which `then` counts; one at the same moment does not."""
    happens: bool = True
    same: Literal["item_id", "session_id"] | None = None
    """What both events must share; those without it do not count."""
    in_last_days: float | None = Field(default=None, gt=0)
    """How far back `first` may lie."""

    @model_validator(mode="after")
    def _fits_window(self) -> Sequence:
        back = self.in_last_days
        if back is not None and not self.happens and back <= self.within_days:
            raise ValueError(
                f"the window is empty: where happens is false, in_last_days ({back:g}) must exceed "
                f"within_days ({self.within_days:g})"
            )
        return self


class SequenceCondition(Section):
    """Holds for people with at least one such sequence."""

    sequence: Sequence


class InSegment(Section):
    """Holds for the people of another segment of the same file; in conf/rules, of any segment."""

    segment: str


class All(Section):
    """Holds when all of its conditions do."""

    all: tuple[Condition, ...] = Field(min_length=1)


class Either(Section):
    """Holds when any of its conditions does."""

    any: tuple[Condition, ...] = Field(min_length=1)


class Not(Section):
    """Holds when its condition does not."""

    not_: Condition = Field(alias="not")


CONDITIONS: dict[str, type[Section]] = {
    "all": All,
    "any": Either,
    "not": Not,
    "segment": InSegment,
    "attribute": Attribute,
    "context": Context,
    "count": Count,
    "sum_value": Sum,
    "visits": Visits,
    "days_since_last": DaysSince,
    "uses": Uses,
    "sequence": SequenceCondition,
}
"""The key that tells a condition's kind → its form."""


def _kind(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
    # `not` is a word of Python: its field is `not_` once the condition is a model.
    kinds = [name for name in CONDITIONS if name in keys or f"{name}_" in keys]
    return kinds[0] if len(kinds) == 1 else None


Condition = Annotated[
    Annotated[All, Tag("all")]
    | Annotated[Either, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[InSegment, Tag("segment")]
    | Annotated[Attribute, Tag("attribute")]
    | Annotated[Context, Tag("context")]
    | Annotated[Count, Tag("count")]
    | Annotated[Sum, Tag("sum_value")]
    | Annotated[Visits, Tag("visits")]
    | Annotated[DaysSince, Tag("days_since_last")]
    | Annotated[Uses, Tag("uses")]
    | Annotated[SequenceCondition, Tag("sequence")],
    Discriminator(
        _kind,
        custom_error_type="condition",
        custom_error_message=f"a condition has exactly one of {', '.join(CONDITIONS)}",
    ),
]
for _model in (All, Either, Not):
    _model.model_rebuild()
