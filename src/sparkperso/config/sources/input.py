"""What a source reads: files and how they are written, second inputs, lists in records."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sparkperso.core.section import Section
from sparkperso.core.suggest import did_you_mean

Format = Literal["json", "csv", "parquet"]
NAME = re.compile("^[A-Za-z][A-Za-z0-9_]*$")
WIDE = ("UTF-16", "UTF-32")
POSITION = "position"
"""The name of an element's place in its list, from 0; null where a record has no element."""


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

    @property
    def is_wide(self) -> bool:
        """Says whether the charset has no line ends of one byte, so that files cannot be split."""
        return self.encoding.upper().startswith(WIDE)


class InputConfig(Section):
    """Files, and the columns that are taken from them."""

    name: str = ""
    """Name of the source's file, which is not written in it."""
    path: str | None = None
    """File, folder or URI to read without --path; `package:<file>` is one that is shipped,
    `lake:<folder>` lies in the lake."""
    format: Format | None = None
    """None takes it from the names: .json .jsonl .ndjson .csv .parquet, .gz after it or not."""
    csv: CsvConfig = Field(default_factory=CsvConfig)
    fields: tuple[str, ...]
    """Columns that the mapping needs, as it spells them. A name may be a path into nested JSON or
    Parquet, such as `device.category`, and stands in expressions as it does here. What folders say,
    as in `dt=2026-01-01/`, is a column too."""
    optional_fields: tuple[str, ...] = ()
    """Columns that the mapping uses where they exist, null otherwise."""
    aliases: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Other spellings of a column; capitals, blanks and underscores never matter in headers."""
    types: dict[str, str] = Field(default_factory=dict)
    """Column → Spark type, such as `array<struct<sku:string,price:double>>`: what is text, as all
    of JSON and CSV is, is read so. A text that cannot be rejects its record as wrong_type; within
    a list or an object, the part that cannot be is null."""
    null_values: tuple[str, ...] = ("",)
    """Texts that stand for null, after trimming."""

    @property
    def all_fields(self) -> tuple[str, ...]:
        """Returns the columns that the mapping needs or uses."""
        return (*self.fields, *self.optional_fields)

    @property
    def roots(self) -> tuple[str, ...]:
        """Returns the first names of paths among the columns, without those that are columns."""
        columns = {name.lower() for name in self.all_fields}
        roots = (name.partition(".")[0] for name in self.all_fields if "." in name)
        return tuple(dict.fromkeys(root for root in roots if root.lower() not in columns))

    @model_validator(mode="after")
    def _settings_are_of_columns(self) -> InputConfig:
        for key in ("aliases", "types"):
            for name in getattr(self, key):
                if name not in self.all_fields:
                    raise ValueError(
                        f"{key} names '{name}', which is none of fields and optional_fields. "
                        + did_you_mean(name, self.all_fields, "Add it to one of them")
                    )
        return self


class JoinConfig(InputConfig):
    """A second input, whose columns stand beside those of each record that has the same key.

    A record without a match is kept; everything of the second input is null in it. The second input
    holds a key once, or the run stops: it would multiply records. It is read anew by each run, so
    that it counts as it is then for the records that are taken in then.
    """

    by: dict[str, str] = Field(min_length=1)
    """Expression over the source's columns (and the element of `explode`) → expression over the
    second input's. They are compared as text; a null matches nothing."""


class ExplodeConfig(Section):
    """A list in each record, every element of which becomes an event (item, user) of its own.

    A record whose list is empty or null stays one, without an element.
    """

    of: str
    """Spark SQL expression over the columns: an array, such as a column that `types` says is
    one."""
    name: str = Field(default="element", pattern=NAME.pattern)
    """What an element is called in `joins`, `let`, `columns` and `rules`: of structs,
    `element.price` is a part. `position` is its place in the list, from 0."""


class Lookup(Section):
    """A value that depends on one column alone, worked out once per distinct value of it."""

    of: str
    """The column or `let` name; it should have at most about a million distinct values."""
    value: str
    """Spark SQL expression over it."""


class MappedInput(InputConfig):
    """An input with what is worked out of its columns before they are mapped, in this order."""

    explode: ExplodeConfig | None = None
    """A list whose elements are taken apart: an order with lines, a basket of items."""
    joins: dict[str, JoinConfig] = Field(default_factory=dict)
    """Name → second input; its columns are `<name>.<column>`."""
    let: dict[str, str] = Field(default_factory=dict)
    """Names for intermediate Spark SQL expressions, over the columns and the names before it."""
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    """Names for expressions too slow for every record; finding the distinct values reads the
    files once more, of Parquet only the columns that they need."""

    @model_validator(mode="before")
    @classmethod
    def _joins_are_of_the_source(cls, data: Any) -> Any:
        """What is wrong with a join's files is said of the file that it stands in."""
        joins = data.get("joins") if isinstance(data, dict) else None
        if not isinstance(joins, dict) or not all(isinstance(one, dict) for one in joins.values()):
            return data
        name = {"name": data.get("name", "")}
        return {**data, "joins": {key: {**join, **name} for key, join in joins.items()}}

    @field_validator("joins")
    @classmethod
    def _joins_are_named_and_found(cls, joins: dict[str, JoinConfig]) -> dict[str, JoinConfig]:
        for name, join in joins.items():
            if not NAME.match(name):
                raise ValueError(f"'{name}' should be a name of letters, digits and underscores")
            if not join.path:
                raise ValueError(f"'{name}' should have a path")
        return joins

    @property
    def names(self) -> tuple[str, ...]:
        """Returns all names that expressions of `columns` and `rules` may use."""
        exploded = (self.explode.name, POSITION) if self.explode else ()
        return (*self.all_fields, *exploded, *self.joins, *self.let, *self.lookups)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> MappedInput:
        # Spark does not tell names apart that differ in capitals alone.
        names = [name.lower() for name in (*self.names, *self.roots)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"{twice} are named twice among fields, optional_fields, explode, joins, let, "
                "lookups"
            )
        return self
