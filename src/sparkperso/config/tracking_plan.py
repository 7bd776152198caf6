"""A tracking plan: conf/tracking_plans/<name>.yaml."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from sparkperso.core.consent import DEFAULT_PURPOSE, Purpose
from sparkperso.core.event import is_event_field
from sparkperso.core.section import Section

PERSONS = frozenset({"user_id", "anonymous_id"})
PREVIOUS_ID = "metadata.previous_id"
NEVER_PERSONAL = frozenset(
    {"event_type", "timestamp", "value", "schema_version", "channel", "metadata", "context"}
)


def _personal(fields: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [f for f in fields if f in NEVER_PERSONAL or not is_event_field(f)]
    if wrong:
        raise ValueError(f"no fields that a pseudonym can stand in: {wrong}")
    return fields


def _free_text(fields: tuple[str, ...]) -> tuple[str, ...]:
    groups = ("metadata", "context")
    wrong = [f for f in fields if f.partition(".")[0] not in groups or not is_event_field(f)]
    if wrong:
        raise ValueError(f"no texts of metadata or context: {wrong}. Such as metadata.query")
    return fields


class Bounds(Section):
    """Range that a number must lie in, both ends included."""

    min: float | None = None
    max: float | None = None


class EventTypeConfig(Section):
    """What events of one type must carry."""

    required: tuple[str, ...] = ()
    """Fields that must not be null: a field of the event, `context.<part>` or `metadata.<key>`."""
    bounds: dict[str, Bounds] = Field(default_factory=dict)
    """Field → range of its values, where it has one."""
    purpose: Purpose = DEFAULT_PURPOSE
    """What its person must have agreed to, where consent is required."""
    personal: tuple[str, ...] = ()
    """Fields that become pseudonyms before anything is written, beside those of the whole plan;
    below metadata a path may go deeper."""

    free_text: tuple[str, ...] = ()
    """Fields of metadata or context, or all of them (`metadata`), in which people write: e-mail
    addresses and card numbers are masked in files too, beside those of the whole plan."""

    _check_personal = field_validator("personal")(_personal)
    _check_free_text = field_validator("free_text")(_free_text)


class TrackingPlan(Section):
    """All event types that are taken; others are rejected as unknown_type."""

    name: str
    event_types: dict[str, EventTypeConfig] = Field(min_length=1)
    personal: tuple[str, ...] = ()
    """Fields that are personal in events of every type. One directly below metadata is so at any
    depth, and in any spelling; names such as `mobile` or `dateOfBirth` need not be listed."""
    free_text: tuple[str, ...] = ()
    """Fields that are searched for e-mail addresses and card numbers in files, in events of every
    type. The collector searches all of an event."""
    public_traits: tuple[str, ...] = ()
    """Names of traits that stay readable, beside those that are known as harmless, such as `plan`
    and `birth_year`: other traits of a person become pseudonyms."""

    _check_personal = field_validator("personal")(_personal)
    _check_free_text = field_validator("free_text")(_free_text)

    def purpose_of(self, event_type: str) -> Purpose:
        """Returns the purpose of a type; one that the plan does not have serves analytics."""
        kind = self.event_types.get(event_type)
        return kind.purpose if kind else DEFAULT_PURPOSE

    def personal_of(self, event_type: str) -> tuple[str, ...]:
        """Returns the personal fields of a type; with `user_id` goes what an alias joins to it."""
        kind = self.event_types.get(event_type)
        joined = (PREVIOUS_ID,) if not PERSONS.isdisjoint(self.personal) else ()
        return (*self.personal, *joined, *(kind.personal if kind else ()))

    def free_text_of(self, event_type: str) -> tuple[str, ...]:
        """Returns the fields of a type in which people write, of the whole plan too."""
        kind = self.event_types.get(event_type)
        return (*self.free_text, *(kind.free_text if kind else ()))

    @model_validator(mode="after")
    def _persons_have_one_name(self) -> TrackingPlan:
        for name, kind in self.event_types.items():
            if not PERSONS.isdisjoint(kind.personal):
                raise ValueError(
                    f"user_id and anonymous_id are personal in all types or in none, not in "
                    f"{name} alone, where a person's events would not meet that person's consent. "
                    "List them under the plan's own 'personal'"
                )
        return self
