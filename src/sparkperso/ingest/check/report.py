"""What a source's file says of its input, and whether that is so: a finding for each part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sparkperso.config.ingest import IngestConfig
from sparkperso.config.sources.facts import ATTRIBUTE
from sparkperso.config.sources.fields import FREE, MAPPED, METADATA_KEYS
from sparkperso.config.sources.input import InputConfig
from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import PERSONS, TrackingPlan
from sparkperso.core.columns import ITEM_ID, USER_ID
from sparkperso.core.errors import JobError, SparkpersoError
from sparkperso.core.spellings import country_codes
from sparkperso.core.suggest import did_you_mean, nearest
from sparkperso.core.times import EPOCH, now, read_time
from sparkperso.ingest.check.expressions import names_in, reference, unknown_names
from sparkperso.ingest.check.head import Head, Record, look_up, read_head
from sparkperso.ingest.check.rows import (
    JOINED_RECORDS,
    Joined,
    as_list,
    elements_of,
    join_of,
    join_place,
    key_of,
    text_of,
    values_of,
    with_joins,
)
from sparkperso.ingest.check.spark_types import SparkType, misfit, parse_type, unknown_parts
from sparkperso.ingest.sources.column_matching import match_columns, with_nearest
from sparkperso.privacy.fields import PERSONAL, UNKNOWN, PersonalFields
from sparkperso.privacy.mask import mask
from sparkperso.privacy.scan import scan

Mark = Literal["ok", "look", "wrong", "spark"]
RECORDS = 200
"""Records of the first file that are looked at."""
FILES = 20
"""Files whose header is compared with what the source needs."""
MICROS = {"seconds": 10**6, "milliseconds": 10**3, "microseconds": 1, "nanoseconds": 10**-3}
TIMES = ("timestamp", "received_at", "updated_at")
COUNTRIES = ("context.country", "country")
NUMBERS = ("value", "quantity", "unit_price", "price", "birth_year")
PSEUDONYMS = {False: (PERSONAL,), True: (PERSONAL, UNKNOWN)}
"""Whether a record is a user → what a name may say for a pseudonym to take its value's place."""
CHOSEN = re.compile(r"\b(?:THEN|ELSE)\s+'([^']*)'", re.IGNORECASE)
"""The texts that a CASE may come to."""
KEYS = {"items": ITEM_ID, "users": USER_ID}
"""Kind → the field by which its records are merged."""
EARLIEST = datetime(1990, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Finding:
    """Whether a part of a source's file fits its input: `wrong` would stop or reject an ingest.

    `look` may be meant so; `spark` is what only Spark can work out.
    """

    mark: Mark
    name: str
    text: str


@dataclass(frozen=True)
class Report:
    """All findings of a source, by part of its file."""

    head: Head
    sections: Mapping[str, tuple[Finding, ...]]

    @property
    def is_fine(self) -> bool:
        """Says whether nothing was found that would stop an ingest or reject its records."""
        return all(f.mark != "wrong" for found in self.sections.values() for f in found)


def check_source(
    source: SourceConfig, plan: TrackingPlan, config: IngestConfig, place: str, lake_root: str
) -> Report:
    """Returns what the beginning of the files at `place` says to a source's file.

    Raises UsageError and JobError as `read_head` does; for second inputs that is a finding.
    """
    head = read_head(source, place, RECORDS)
    heads, missing = _second_inputs(source, lake_root)
    rows = elements_of(head.records, source)
    rows = with_joins(rows, source, heads)
    check = _Check(source, plan, config, head, rows, heads)
    sections = {
        "columns": [*_columns(source, head), *_types(source, head), *_other_files(source, head)],
        "explode": list(check.explode()),
        "joins": [*missing, *(f for name in heads for f in check.join(name))],
        "names": list(check.names()),
        "fields": list(check.fields()),
        "in all": list(check.whole()),
    }
    return Report(head, {name: tuple(found) for name, found in sections.items() if found})


def _second_inputs(source: SourceConfig, lake_root: str) -> tuple[dict[str, Joined], list[Finding]]:
    heads, missing = {}, []
    for name, join in source.joins.items():
        try:
            head = read_head(join, join_place(join, lake_root), JOINED_RECORDS)
        except SparkpersoError as error:
            missing.append(Finding("wrong", name, str(error)))
            continue
        heads[name] = join_of(join, head)
    return heads, missing


def _columns(config: InputConfig, head: Head, prefix: str = "") -> Iterator[Finding]:
    """A finding for each column of the file: found as what, or missing and what is near it."""
    if head.n_malformed:
        text = f"{head.n_malformed} cannot be read: {head.malformed}"
        yield Finding("look" if head.records else "wrong", f"{prefix}records", text)
        if not head.records and head.format == "json":  # its columns are in its records alone
            return
    for column in config.all_fields:
        found = head.matched.get(column)
        if found is None:
            is_needed = column in config.fields
            text = f"there is no {with_nearest(column, head.found)}"
            if not is_needed:
                text += ": null, as it is optional"
            yield Finding("wrong" if is_needed else "look", prefix + column, text)
            continue
        values = [record.get(column) for record in head.records]
        spelled = "" if found == column else f"is '{found}'; "
        yield Finding("ok", prefix + column, spelled + shown(values))
    unused = [name for name in head.found if name not in head.matched.values()]
    paths = {name.partition(".")[0] for name in head.matched.values()}
    unused = [name for name in unused if name not in paths]
    if unused:
        yield Finding("ok", f"{prefix}unused", ", ".join(unused))


def _types(config: InputConfig, head: Head, prefix: str = "") -> Iterator[Finding]:
    """A finding for each of `types`: whether Spark knows it, and the values are so."""
    for column, text in config.types.items():
        name = f"{prefix}{column}: {text}"
        try:
            kind = parse_type(text)
        except ValueError as error:
            yield Finding("wrong", name, str(error))
            continue
        values = [record.get(column) for record in head.records]
        bad = [why for value in values if (why := misfit(value, kind))]
        if bad:
            words = f"{len(bad)} of {len(values)} cannot be read so: {bad[0]}"
            yield Finding("wrong" if len(bad) == len(values) else "look", name, words)
        else:
            yield from _parts(name, values, kind)


def _parts(name: str, values: Sequence[Any], kind: SparkType) -> Iterator[Finding]:
    """Parts of a struct that no object has: Spark would read null without a word."""
    given = [as_list(value) if kind.name == "array" else value for value in values]
    given = [value for value in given if value]
    found = [unknown_parts(value, kind) for value in given]
    names = set.intersection(*(set(one) for one in found)) if found else set()
    for part in sorted(names):
        near = next((one[part] for one in found if one[part]), "")
        words = f"no object has a '{part}'" + (f" (nearest: '{near}')" if near else "")
        yield Finding("look", name, words)
    if not names:
        yield Finding("ok", name, f"{len(given)} of {len(values)} hold one")


def _other_files(source: SourceConfig, head: Head) -> Iterator[Finding]:
    """Files beside the first that lack a column."""
    if head.format == "json":  # a column may be missing in a record, and be in the next
        return
    for file in head.files[1:FILES]:
        try:
            other = read_head(source, str(file), 1)
            match_columns(source, other.found, str(file))
        except JobError as error:
            yield Finding("wrong", file.name, str(error))


@dataclass(frozen=True)
class _Check:
    """The parts of a source's file that are expressions, over the rows of its beginning."""

    source: SourceConfig
    plan: TrackingPlan
    config: IngestConfig
    head: Head
    rows: Sequence[Record]
    joins: Mapping[str, Joined]

    @property
    def names_known(self) -> tuple[str, ...]:
        """All that expressions may name: with the structs that paths lead through."""
        return (*self.source.names, *self.source.roots)

    @property
    def _columns(self) -> tuple[str, ...]:
        return (*self.source.all_fields, *self.source.roots)

    def explode(self) -> Iterator[Finding]:
        """Whether there is a list, and how many elements it has."""
        explode = self.source.explode
        if explode is None:
            return
        path = reference(explode.of, self._columns)
        if path is None:
            yield from self._computed(explode.of, "of", self._columns)
            return
        values = [look_up(record, path) for record in self.head.records]
        first = path.partition(".")[0]
        if self.head.format != "parquet" and not {first, path} & set(self.source.types):
            words = f"'{path}' is text until 'types' says that it is an array"
            yield Finding("wrong", explode.name, f"{words}, such as array<struct<item_id:string>>")
            return
        lists = [elements for value in values if (elements := as_list(value))]
        n_elements = sum(map(len, lists))
        words = f"{len(lists)} of {len(values)} records hold a list, {n_elements} elements in all"
        yield Finding("ok" if lists else "look", explode.name, words)

    def join(self, name: str) -> Iterator[Finding]:
        """Whether a second input has its columns and keys, and how many records match."""
        joined, join = self.joins[name], self.source.joins[name]
        yield from _columns(join, joined.head, f"{name}.")
        yield from _types(join, joined.head, f"{name}.")
        for expression in join.by.values():
            yield from _unknown(name, expression, (*join.all_fields, *join.roots))
        for expression in join.by:
            yield from _unknown(name, expression, self.names_known)
        if joined.repeated:
            key = ", ".join(joined.repeated)
            words = f"the key '{key}' stands there more than once: a run would stop"
            yield Finding("wrong", f"{name} by", words)
        matches = [row[name] for row in self.rows if name in row]
        if not matches:
            yield Finding("spark", name, "its keys are expressions: Spark finds what matches")
            return
        n = sum(match is not None for match in matches)
        some = (
            "" if len(joined.head.records) < JOINED_RECORDS else f" in its first {len(matches):,}"
        )
        words = f"{n} of {len(matches)} have a match{some}"
        yield Finding("ok" if n else "look", name, words + self._keys(name, joined, n))

    def _keys(self, name: str, joined: Joined, n_matches: int) -> str:
        """Where nothing matches, how keys look on both sides."""
        if n_matches or not self.rows or not joined.by_key:
            return ""
        paths = [reference(one, self.names_known) for one in self.source.joins[name].by]
        keys = (key_of(row, [path or "" for path in paths]) for row in self.rows)
        own = ", ".join(next((key for key in keys if key), ()))
        other = ", ".join(next(iter(joined.by_key)))
        return f": keys are such as '{own}' here, '{other}' there"

    def names(self) -> Iterator[Finding]:
        """What `let`, `lookups` and `rules` name that is not there."""
        known: list[str] = [name for name in self.names_known if name not in self.source.let]
        for name, expression in self.source.let.items():
            yield from _unknown(name, expression, known)
            known.append(name)
        for name, lookup in self.source.lookups.items():
            yield from _unknown(name, lookup.of, self.names_known)
            yield from _unknown(name, lookup.value, self.names_known)
        for rule in self.source.rules:
            yield from _unknown(f"rule '{rule.message}'", rule.when, self.names_known)

    def fields(self) -> Iterator[Finding]:
        """A finding for each mapped field: what it is in the first records."""
        for name, expression in self.source.columns.items():
            unknown = list(_unknown(name, expression, self.names_known))
            if unknown:
                yield from unknown
                continue
            values = values_of(expression, self.rows, self.source)
            shown_address = self._address(name, expression)
            if shown_address:
                yield Finding("look", name, shown_address)
            elif name == "event_type":
                yield self._event_type(expression, values)
            elif values is None:
                yield Finding("spark", name, expression)
            else:
                found = self._field_finding(name)(name, expression, values)
                yield self._with_empty(found, name, values)

    def _with_empty(self, found: Finding, name: str, values: Sequence[Any]) -> Finding:
        """What is told of a field, where it is well; records that lack it may be rejected."""
        n = sum(value is None for value in values)
        if not n or found.mark != "ok" or name not in self._needed():
            return found
        words = f"{found.text}; where it is empty the record is rejected"
        return Finding("wrong" if n == len(values) else "look", name, words)

    def _needed(self) -> tuple[str, ...]:
        """The mapped fields without which no record is valid."""
        if MAPPED[self.source.kind] and self.source.kind != "transactions":
            return MAPPED[self.source.kind]
        persons = [name for name in PERSONS if name in self.source.columns]
        return ("timestamp", *(persons if len(persons) == 1 else ()))

    def whole(self) -> Iterator[Finding]:
        """What will not count later, and why every record would be rejected."""
        if self.source.kind not in ("events", "transactions"):
            return
        mapped = set(self.source.columns)
        needs = ("timestamp", "event_type") if self.source.kind == "events" else ("timestamp",)
        for name in needs:
            if name not in mapped:
                yield Finding("wrong", name, "is not mapped: every record would be rejected")
        if not mapped & {"user_id", "anonymous_id"}:
            words = "neither user_id nor anonymous_id is mapped: every record would be rejected"
            yield Finding("wrong", "persons", words)
        elif "user_id" not in mapped:
            words = "no user_id is mapped: nobody gets lists of their own"
            yield Finding("look", "persons", words)
        yield from self._of_items(mapped)

    def _of_items(self, mapped: set[str]) -> Iterator[Finding]:
        if "item_id" not in mapped:
            yield Finding("look", "items", "no item_id is mapped: no recommendation comes of this")
        elif not mapped & {"metadata.title", "title", "metadata"}:
            words = "no title is mapped: lists show ids, unless a source of kind items has titles"
            yield Finding("look", "items", words)
        if "item_id" in mapped and not mapped & {"metadata.category", "category", "metadata"}:
            words = "no category is mapped: features and segments know an event's own category "
            words += "alone, not that of silver/items; a join with the catalogue's file gives it"
            yield Finding("look", "categories", words)

    def _field_finding(self, name: str) -> Callable[[str, str, Sequence[Any]], Finding]:
        """What looks at the values of a field."""
        return {
            "status": self._status,
            **dict.fromkeys(COUNTRIES, self._country),
            **dict.fromkeys(TIMES, self._time),
            **dict.fromkeys(NUMBERS, _number),
        }.get(name, self._attribute if self._is_trait(name) else self._text)

    def _is_trait(self, name: str) -> bool:
        return self.source.kind == "users" and name.startswith(ATTRIBUTE)

    def _address(self, name: str, expression: str) -> str:
        """What is told of a field with e-mail addresses that nothing hides; else nothing."""
        if name == "consent" or self._is_hidden(name):
            return ""
        used = [n for n in names_in(expression).columns if n in self.head.matched]
        holds_some = any(
            found.kind == "email"
            for record in self.head.records
            for column in used
            for found in scan(text_of(record.get(column)))
        )
        if not holds_some:
            return ""
        words = "holds e-mail addresses: list it under 'personal' of the tracking plan, and "
        words += "pseudonyms take their place"
        if name.partition(".")[0] == "metadata":
            words += "; under 'free_text', and they are masked in its texts"
        return words

    def _is_hidden(self, name: str) -> bool:
        """Whether the tracking plan, or a field's name, says that it is personal or free text."""
        group, _, key = name.rpartition(".")
        asked = {f for kind in ("", *self.plan.event_types) for f in self.plan.free_text_of(kind)}
        is_asked = name in self.plan.personal or not asked.isdisjoint({name, group})
        return is_asked or self._meaning(key) in PSEUDONYMS[self.source.kind == "users"]

    def _meaning(self, key: str) -> str:
        return PersonalFields(self.plan.personal, self.plan.public_traits).meaning(key)[1]

    def _attribute(self, name: str, expression: str, values: Sequence[Any]) -> Finding:
        """Of users: whether a pseudonym takes the place of what was declared."""
        found = self._text(name, expression, values)
        given = [text_of(value).lower() for value in values if value is not None]
        means = self._meaning(name.partition(".")[2])
        if means == PERSONAL:
            return Finding("ok", name, f"{found.text}; a pseudonym takes its place")
        if means == UNKNOWN and not {"true", "false"}.issuperset(given):
            words = "a pseudonym takes its place, unless public_traits of the tracking plan has it"
            return Finding("look", name, f"{found.text}; {words}")
        return found

    def _computed(self, expression: str, name: str, known: Sequence[str]) -> Iterator[Finding]:
        unknown = list(_unknown(name, expression, known))
        yield from unknown or [Finding("spark", name, expression)]

    def _event_type(self, expression: str, values: list[Any] | None) -> Finding:
        """Whether the plan has the types that come."""
        chosen = CHOSEN.findall(self.source.let.get(expression.strip(), expression))
        given = values if values is not None else chosen
        types = list(dict.fromkeys(text_of(one).lower() for one in given if one is not None))
        known = self.plan.event_types
        unknown = [one for one in types if one not in known]
        if unknown:
            words = f"'{unknown[0]}' is no event type of the plan '{self.plan.name}': such records "
            words += "wait in quarantine. "
            words += did_you_mean(unknown[0], known, f"It has {', '.join(known)}")
            return Finding("wrong" if unknown == types else "look", "event_type", words)
        for one in types:
            lacking = [n for n in known[one].required if not self._maps(n)]
            if lacking:
                words = f"'{one}' needs {' and '.join(lacking)}, which is not mapped"
                return Finding("wrong", "event_type", words)
        if values is None:
            return Finding("spark", "event_type", expression)
        return Finding("ok", "event_type", ", ".join(types))

    def _status(self, name: str, expression: str, values: Sequence[Any]) -> Finding:
        known = {text.strip().lower() for text in self.source.statuses}
        texts = dict.fromkeys(text_of(value) for value in values if value is not None)
        others = [text for text in texts if text.lower() not in known]
        if others:
            words = f"lines of '{others[0]}' wait in quarantine: it is none of statuses"
            return Finding("look", name, words)
        return Finding("ok", name, f"{expression}: {shown(values)}")

    def _country(self, name: str, expression: str, values: Sequence[Any]) -> Finding:
        codes = country_codes(self.config.country_aliases)
        texts = dict.fromkeys(text_of(value) for value in values if value is not None)
        others = [text for text in texts if text.upper() not in codes]
        if others:
            words = (
                f"'{others[0]}' becomes null: it is no code or English name of ISO 3166, nor in "
            )
            return Finding("look", name, words + "ingest.country_aliases")
        return Finding("ok", name, f"{expression}: {shown(values)}")

    def _maps(self, field: str) -> bool:
        return field in self.source.columns or field.partition(".")[0] in self.source.columns

    def _time(self, name: str, expression: str, values: Sequence[Any]) -> Finding:
        given = [value for value in values if value is not None]
        times, bad = [], []
        for value in given:
            try:
                times.append(_moment(value, self.source))
            except (ValueError, OverflowError):
                bad.append(value)
        if bad and self.source.time_formats:
            return Finding("spark", name, f"{expression}, by one of time_formats")
        if bad:
            words = f"{len(bad)} of {len(given)} are no times, such as '{_masked(bad[0])}': see "
            words += "time_formats and time_unit"
            return Finding("wrong" if len(bad) == len(given) else "look", name, words)
        if not times:
            return Finding("wrong", name, f"{expression} is empty in all {len(values)} records")
        first, last = min(times), max(times)
        words = f"{expression}: {first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ}"
        if first < EARLIEST or last > now() + timedelta(days=1):
            return Finding("look", name, f"{words}: is that so? Else see time_unit and time_zone")
        oldest = now() - timedelta(days=self.config.max_age_days)
        if not self.source.historical and name == "timestamp" and first < oldest:
            words += " are too old (ingest.max_age_days): set historical: true"
            return Finding("wrong" if last < oldest else "look", name, words)
        return Finding("ok", name, words)

    def _text(self, name: str, expression: str, values: Sequence[Any]) -> Finding:
        group, _, key = name.partition(".")
        if group == "metadata" and FREE[self.source.kind] == group and key not in METADATA_KEYS:
            near = nearest(key, METADATA_KEYS, 0.8)
            if near:
                words = f"is kept; if metadata.{near} is meant, that is {METADATA_KEYS[near]}"
                return Finding("look", name, words)
        words = shown(values)
        return Finding("ok", name, words if expression == name else f"{expression}: {words}")


def _moment(value: Any, source: SourceConfig) -> datetime:
    """A time as ingest reads it, in UTC."""
    if isinstance(value, datetime):
        zone = ZoneInfo(source.time_zone)
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(timezone.utc)
    text = text_of(value)
    unit = source.time_unit
    if unit and re.fullmatch(r"[+-]?\d+(\.\d*)?", text):
        return EPOCH + timedelta(microseconds=float(text) * MICROS[unit])
    return read_time(text, ZoneInfo(source.time_zone))


def _number(name: str, expression: str, values: Sequence[Any]) -> Finding:
    number = SparkType("double")
    bad = [why for value in values if (why := misfit(value, number))]
    if bad:
        words = f"{len(bad)} of {len(values)} are no numbers: {_masked(bad[0])}"
        return Finding("wrong" if len(bad) == len(values) else "look", name, words)
    words = shown(values)
    return Finding("ok", name, words if expression == name else f"{expression}: {words}")


def _unknown(name: str, expression: str, known: Sequence[str]) -> Iterator[Finding]:
    for one in unknown_names(expression, known):
        words = f"'{one}' is no column or name here. {did_you_mean(one, known)}".strip()
        yield Finding("wrong", name, words)


def shown(values: Sequence[Any]) -> str:
    """Returns how many values are empty, and some of the others; personal ones are hidden.

    >>> shown(["a", None, "anna@example.com"])
    '1 of 3 empty; such as a, [email]'
    """
    given = [value for value in values if value is not None]
    n_empty = len(values) - len(given)
    if not given:
        return f"empty in all {len(values)}"
    some = list(dict.fromkeys(_masked(value) for value in given))[:3]
    empty = f"{n_empty} of {len(values)} empty; " if n_empty else ""
    return f"{empty}such as {', '.join(some)}"


def _masked(value: Any) -> str:
    text, _ = mask(" ".join(text_of(value).split()))
    return text if len(text) <= 40 else f"{text[:39]}…"
