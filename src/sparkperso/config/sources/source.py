"""A source of events, items, users or transactions: conf/sources/<name>.yaml."""

from __future__ import annotations

import re
from typing import Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from sparkperso.config.ingest import RuleConfig
from sparkperso.config.sources.fields import (
    COLLECTED,
    CONSENT,
    FIELDS,
    FREE,
    MAPPED,
    Kind,
    is_field,
    unknown_field,
)
from sparkperso.config.sources.input import MappedInput
from sparkperso.core.consent import REQUIRED
from sparkperso.core.event import Channel
from sparkperso.core.suggest import did_you_mean

TimeUnit = Literal["seconds", "milliseconds", "microseconds", "nanoseconds"]
Sale = Literal["purchase", "refund"]
NO_PERSON = "assumed: records of items are about nobody"
WORD = re.compile(r"\w+")
WHOLE_RECORD = (CONSENT, "user_id", "anonymous_id")
"""Fields that are of a record as a whole: bronze keeps it once, for one person or not at all."""


class SourceConfig(MappedInput):
    """Where records come from and what each becomes: an event, an item, a user."""

    name: str
    kind: Kind = "events"
    """What a record is. `transactions` is a short form for lines of orders, which become purchase
    and refund events; items, users, decisions and reads go into their own tables (load-source)."""
    description: str = ""
    """One line on what it holds."""
    may_be_empty: bool = False
    """Whether finding nothing at `path` is no error: a queue between two deliveries."""
    columns: dict[str, str]
    """Field of the kind → Spark SQL expression over the columns. Of an event that is a field,
    `context.<part>` or `metadata.<key>`, of items and users a field or `attributes.<key>`.
    `received_at` is when the collector took the record; without it, when the run does.
    `collected.<part>` is what the collector noted then: site, basis, purpose, region, opted_out."""
    statuses: dict[str, Sale] = Field(default_factory=dict)
    """Of transactions with a `status`: its texts, whatever their capitals → purchase or refund.
    Lines of any other status, such as cancelled ones, wait in silver/quarantine; without a status a
    line is a purchase."""
    rules: tuple[RuleConfig, ...] = ()
    """Rules of this source alone, over its columns and its `let` names."""
    channel: Channel = "web"
    """Channel of events that name none."""
    time_zone: str = "UTC"
    """Zone of times without an offset (docs/times.md)."""
    time_unit: TimeUnit | None = None
    """What numbers in the place of times count since 1970; None goes by their size."""
    time_formats: tuple[str, ...] = ()
    """Spark patterns to try where times are text but not ISO 8601; one fits a whole input."""
    max_rejected_share: float | None = Field(default=None, ge=0, le=1)
    """Takes the place of ingest.max_rejected_share. 1 is for what anybody may write to: rejected
    records wait in silver/quarantine and hold nothing else up."""
    historical: bool = False
    """Switches off the checks of event time against arrival time."""
    consent: str = Field(default="", pattern=r"^(|required|assumed: .+)$")
    """`required`: without it a record is refused, counted and not kept. It is given where the
    mapped condition `consent` is true, or without such a condition by a decision in
    silver/consents. `assumed: <legal basis>`: every record is taken. A record whose mapped
    `collected.basis` says either goes by that. Only sources of items need none."""

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        if zone not in available_timezones():
            near = did_you_mean(zone, available_timezones())
            raise ValueError(
                f"not a time zone of the IANA database, such as Europe/London. {near}".strip()
            )
        return zone

    @model_validator(mode="after")
    def _columns_are_fields(self) -> SourceConfig:
        unknown = [name for name in self.columns if not is_field(self.kind, name)]
        if unknown:
            raise ValueError("; ".join(unknown_field(self.kind, name) for name in unknown))
        lacking = [name for name in MAPPED[self.kind] if name not in self.columns]
        if self.kind == "transactions" and not {"unit_price", "value"} & set(self.columns):
            lacking.append("unit_price")
        if lacking:
            raise ValueError(
                f"columns of a source of {self.kind} should map {' and '.join(lacking)}"
            )
        return self

    @model_validator(mode="after")
    def _attributes_are_no_fields(self) -> SourceConfig:
        for name in FIELDS[self.kind] if FREE[self.kind] == "attributes" else ():
            if f"attributes.{name}" in self.columns:
                raise ValueError(f"'attributes.{name}' should be mapped as '{name}'")
        return self

    @model_validator(mode="after")
    def _statuses_have_a_status(self) -> SourceConfig:
        has_status = "status" in self.columns and self.kind == "transactions"
        if has_status and not self.statuses:
            raise ValueError(
                "statuses should say which texts of 'status' are a purchase and which a refund, "
                "such as {paid: purchase, refunded: refund}"
            )
        if self.statuses and not has_status:
            raise ValueError("statuses are of transactions that map a 'status'")
        return self

    @model_validator(mode="after")
    def _persons_are_of_whole_records(self) -> SourceConfig:
        for name in WHOLE_RECORD if self.kind in ("events", "transactions") else (CONSENT,):
            if self.explode and self.explode.name in self.names_in(self.columns.get(name, "")):
                raise ValueError(
                    f"'{name}' should not depend on the element '{self.explode.name}': a record is "
                    "kept or refused as a whole"
                )
        return self

    @model_validator(mode="after")
    def _basis_is_stated(self) -> SourceConfig:
        if not self.consent and self.kind != "items":
            raise ValueError(
                "consent should say on what basis records about persons are kept: required, or "
                "'assumed: <legal basis>'"
            )
        return self

    def names_in(self, expression: str) -> frozenset[str]:
        """Returns the words of an expression, and of the `let` and `lookups` that it uses."""
        inner = {**self.let, **{name: one.of for name, one in self.lookups.items()}}
        found: set[str] = set()
        words = set(WORD.findall(expression))
        while words:
            found |= words
            used = [text for name, text in inner.items() if name in words]
            words = {word for text in used for word in WORD.findall(text)} - found
        return frozenset(found)

    @property
    def needs_consent(self) -> bool:
        """Says whether each record carries its own consent, and is refused without it."""
        return self.consent == REQUIRED and CONSENT in self.columns

    @property
    def asks_decisions(self) -> bool:
        """Says whether records are held against silver/consents."""
        return self.is_collected or self.basis == REQUIRED

    @property
    def is_collected(self) -> bool:
        """Says whether a collector took the records: they hold pseudonyms already."""
        return f"{COLLECTED}.basis" in self.columns

    @property
    def basis(self) -> str:
        """Returns what a record that says nothing else is taken on."""
        own = "assumed: the record's own consent" if self.needs_consent else self.consent
        return own or NO_PERSON
