"""A source of events: conf/sources/<name>.yaml."""

from __future__ import annotations

from typing import Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from sparkperso.config.ingest import RuleConfig
from sparkperso.core.consent import REQUIRED
from sparkperso.core.event import Channel, is_event_field
from sparkperso.core.section import Section

Format = Literal["json", "csv", "parquet"]
CONSENT = "consent"
ARRIVAL = "received_at"
COLLECTED = "collected"
COLLECTED_FIELDS = ("site", "basis", "purpose", "region", "opted_out")


class CsvConfig(Section):
    """How CSV files of a source are written. They have a header line."""

    delimiter: str = ","
    """Character between fields."""
    quote: str = '"'
    """Character around fields; doubled inside them."""
    encoding: str = "UTF-8"
    """Charset, by any name that Java knows: UTF-8, windows-1252, UTF-16."""
    multi_line: bool = False
    """Whether quoted fields may contain line breaks; such files are not split between tasks. So
    are files in UTF-16 or UTF-32, whatever is set here."""


class Lookup(Section):
    """A value that depends on one column alone, worked out once per distinct value of it."""

    of: str
    """The column or `let` name; it should have at most about a million distinct values."""
    value: str
    """Spark SQL expression over it."""


class SourceConfig(Section):
    """Where records come from and how each becomes an event."""

    name: str
    description: str = ""
    """One line on what it holds."""
    path: str | None = None
    """File, folder or URI to read without --path; `package:<file>` is one that is shipped,
    `lake:<folder>` lies in the lake."""
    may_be_empty: bool = False
    """Whether finding nothing at `path` is no error: a queue between two deliveries."""
    format: Format | None = None
    """None takes it from the names: .json .jsonl .ndjson .csv .parquet, .gz after it or not."""
    csv: CsvConfig = Field(default_factory=CsvConfig)
    fields: tuple[str, ...]
    """Columns that the mapping needs, as it spells them."""
    optional_fields: tuple[str, ...] = ()
    """Columns that the mapping uses where they exist, null otherwise."""
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Other spellings of a column; capitals, blanks and underscores never matter in headers."""
    null_values: tuple[str, ...] = ("",)
    """Texts that stand for null, after trimming."""
    let: dict[str, str] = Field(default_factory=dict)
    """Names for intermediate Spark SQL expressions, over the columns and the names before it."""
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    """Names for expressions too slow for every record; finding the distinct values reads the
    files once more, of Parquet only the columns that they need."""
    columns: dict[str, str]
    """Event field, `context.<part>` or `metadata.<key>` → Spark SQL expression over the columns.
    `received_at` is when the collector took the record; without it, when the run does.
    `collected.<part>` is what the collector noted then: site, basis, purpose, region, opted_out."""
    rules: tuple[RuleConfig, ...] = ()
    """Rules of this source alone, over its columns and its `let` names."""
    channel: Channel = "web"
    """Channel of events that name none."""
    time_zone: str = "UTC"
    """Zone of times without an offset (docs/times.md)."""
    time_formats: tuple[str, ...] = ()
    """Spark patterns to try where times are text but not ISO 8601; one fits a whole input."""
    max_rejected_share: float | None = Field(default=None, ge=0, le=1)
    """Takes the place of ingest.max_rejected_share. 1 is for what anybody may write to: rejected
    records wait in silver/quarantine and hold nothing else up."""
    historical: bool = False
    """Switches off the checks of event time against arrival time."""
    consent: str = Field(pattern=r"^(required|assumed: .+)$")
    """`required`: without it a record is refused, counted and not kept. It is given where the
    mapped condition `consent` is true, or without such a condition by a decision in
    silver/consents. `assumed: <legal basis>`: every record is taken. A record whose mapped
    `collected.basis` says either goes by that."""

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("not a time zone of the IANA database, such as Europe/London")
        return zone

    @model_validator(mode="after")
    def _columns_are_event_fields(self) -> SourceConfig:
        unknown = [
            name
            for name in self.columns
            if name not in (CONSENT, ARRIVAL) and not is_event_field(name) and not _is_noted(name)
        ]
        if unknown:
            raise ValueError(f"columns {unknown} are no fields of an event")
        return self

    @model_validator(mode="after")
    def _names_are_distinct(self) -> SourceConfig:
        spelled = (*self.fields, *self.optional_fields, *self.let, *self.lookups)
        # Spark does not tell names apart that differ in capitals alone.
        names = [name.lower() for name in spelled]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice} are named twice among fields, optional_fields, let, lookups")
        return self

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
        return "assumed: the record's own consent" if self.needs_consent else self.consent


def _is_noted(name: str) -> bool:
    group, _, part = name.partition(".")
    return group == COLLECTED and part in COLLECTED_FIELDS
