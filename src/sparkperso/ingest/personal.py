"""Personal fields in events from files become pseudonyms, before anything is written.

The collector's own functions do it, so that a value has one pseudonym however it came. They run in
Python, on rows of sources that may hold something personal: names in any spelling, phone numbers
and addresses cannot be put into one form by Columns, whose plan would show the key besides
(ADR 0011). What a collector took has its pseudonyms already.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf

from sparkperso.config.sources.source import SourceConfig
from sparkperso.config.tracking_plan import TrackingPlan
from sparkperso.core.event import CONTEXT_FIELDS, TEXT_FIELDS
from sparkperso.ingest.sources.column_matching import is_same_name, spellings
from sparkperso.ingest.sources.expand import MARK
from sparkperso.privacy import PersonalFields, Pseudonyms, mask, mask_tree, pseudonym_of
from sparkperso.privacy.fields import CLEAR, JOINED, PERSONAL, UNKNOWN
from sparkperso.privacy.keys import Keys
from sparkperso.privacy.names import TRAIT_EVENTS

COLUMNS = "columns"
"""Under this name the payload's column carries the names that a file's rows have."""
IDENTIFIERS = tuple(name for name in TEXT_FIELDS if name not in ("event_type", "channel"))
METADATA = "map<string,string>"
WORD = re.compile(r"\w+")
QUOTE = '"'
PAIR = re.compile(r'"([^"\\]{1,64})"(\s{0,8}:\s{0,8})("[^"]*"?|[^\s,{}\[\]"]+)')
RESULT = "struct<payload:string,record_id:string,fields:string,messages:array<string>>"
PARTS = ("metadata", "context")
MAX_SHAPES = 1000
"""Lists of names that records have, whose columns are kept in memory."""
Node = dict[str, Any]


def personal_of(plan: TrackingPlan) -> dict[str, PersonalFields]:
    """Returns the personal fields of each event type; of the others under the empty name.

    They are those of the plan, and those that are known by their names.
    """
    kinds = {kind: plan.personal_of(kind) for kind in plan.event_types} | {"": plan.personal}
    return {kind: PersonalFields(fields, plan.public_traits) for kind, fields in kinds.items()}


def may_be_personal(
    source: SourceConfig, plan: TrackingPlan, columns: Sequence[str] | None = None
) -> bool:
    """Says whether records of a source may hold something personal.

    `columns` are those of a file; None when each record brings its own names.
    """
    if source.is_collected:
        return False
    if columns is None or not {"metadata", "context"}.isdisjoint(source.columns):
        return True
    asked = {field for kind in ("", *plan.event_types) for field in plan.free_text_of(kind)}
    if any(name in asked or name.partition(".")[0] in asked for name in source.columns):
        return True
    keys = [name.rpartition(".")[2] for name in source.columns if "." in name]
    harmless = (CLEAR, JOINED) if _may_be_traits(source) else (CLEAR, JOINED, UNKNOWN)
    return any(
        any(fields.is_identifier(name) for name in source.columns)
        or any(fields.meaning(key)[1] not in harmless for key in keys)
        or any(fields.meaning(name)[1] not in (CLEAR, JOINED, UNKNOWN) for name in columns)
        for fields in personal_of(plan).values()
    )


def with_pseudonyms(
    events: DataFrame, source: SourceConfig, plan: TrackingPlan, keys: Keys, *, keeps_ids: bool
) -> DataFrame:
    """Returns checked events with pseudonyms in fields, metadata, payload and reasons.

    A record_id is the hash of a record, by which its values could be guessed: where something
    became a pseudonym it is keyed too, by the oldest key, so that it outlives a change of keys.
    `keeps_ids` leaves it, for records that have theirs from quarantine.
    """
    task = PersonalTask(source, plan, keys, keeps_ids)
    found = pandas_udf(task.of_batch, RESULT)(  # type: ignore[call-overload]
        F.when(~F.col("_refused"), F.col("_payload")),
        F.col("_record_id"),
        F.col("is_malformed"),
        F.to_json(F.struct("event_type", *IDENTIFIERS, "metadata", "context")),
        F.col("reasons.message"),
    )
    fields = F.col("_found.fields")
    ids = {name: F.get_json_object(fields, f"$.{name}") for name in IDENTIFIERS}
    metadata = F.from_json(F.get_json_object(fields, "$.metadata"), METADATA)
    changed = fields.isNotNull()
    messages = F.zip_with(
        "reasons",
        "_found.messages",
        lambda reason, text: F.struct(reason["code"].alias("code"), text.alias("message")),
    )
    context = F.struct(
        *(F.get_json_object(fields, f"$.context.{name}").alias(name) for name in CONTEXT_FIELDS)
    )
    return events.withColumn("_found", found).withColumns(
        {
            "_payload": F.coalesce("_found.payload", "_payload"),
            "_record_id": F.coalesce("_found.record_id", "_record_id"),
            "reasons": F.when(F.col("_found.messages").isNotNull(), messages).otherwise(
                F.col("reasons")
            ),
            **{name: _either(changed, value, name) for name, value in ids.items()},
            "metadata": _either(changed & F.col("metadata").isNotNull(), metadata, "metadata"),
            "context": _either(changed & F.col("context").isNotNull(), context, "context"),
        }
    )


def _either(changed: Column, value: Column, name: str) -> Column:
    return F.when(changed, value).otherwise(F.col(name))


@dataclass
class PersonalTask:
    """What a task needs to put pseudonyms into records."""

    source: SourceConfig
    plan: TrackingPlan
    keys: Keys
    keeps_ids: bool

    @property
    def of_batch(self) -> Callable[..., Any]:
        """Returns the function of batches of rows that Spark sends to its workers."""
        task = self

        def of_batch(
            payload: pd.Series,
            record_id: pd.Series,
            is_malformed: pd.Series,
            fields: pd.Series,
            messages: pd.Series,
        ) -> pd.DataFrame:
            records = _Records(task)
            rows = zip(payload, record_id, is_malformed, fields, messages, strict=True)
            names = ["payload", "record_id", "fields", "messages"]
            return pd.DataFrame([records.of_row(*row) for row in rows], columns=names)

        return of_batch


Row = tuple[str | None, str | None, str | None, list[str] | None]
UNCHANGED: Row = (None, None, None, None)


class _Records:
    """Puts pseudonyms into one record after another."""

    def __init__(self, task: PersonalTask) -> None:
        self._pseudonyms, self._keeps_ids = Pseudonyms(task.keys), task.keeps_ids
        oldest = task.keys.chains[task.keys.current][0]
        self._secret = task.keys.secrets[oldest]
        self._personal = personal_of(task.plan)
        self._free_text = {name: task.plan.free_text_of(name) for name in self._personal}
        self._origins = _origins(task.source)
        self._personal_columns = {
            name
            for field, names in self._origins.items()
            if any(_is_personal(field, personal) for personal in self._personal.values())
            for name in names
        }
        self._words = {
            field: frozenset(word.lower() for word in task.source.names_in(text))
            for field, text in task.source.columns.items()
        }
        self._by_names: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {}

    def of_row(
        self, payload: str | None, record_id: str, is_malformed: bool, fields: str, messages: Any
    ) -> Row:
        """Returns what changes of a record: payload, record_id, fields (JSON), messages."""
        if payload is None:
            return UNCHANGED
        if is_malformed:
            written = mask(PAIR.sub(self._pair, payload))[0]
            changed = written != payload
            return (written, self._keyed(record_id), None, None) if changed else UNCHANGED
        event = json.loads(fields)
        kind = event.get("event_type") or ""
        personal = self._personal.get(kind, self._personal[""])
        free_text = self._free_text.get(kind, self._free_text[""])
        if not free_text and self._says_nothing(event, personal, payload):
            return UNCHANGED
        before = json.loads(fields)
        try:
            self._protect(event, personal)
            _mask_parts(event, free_text)
            written = self._payload(payload, before, event, personal)
        except RecursionError:
            written = self._as_whole(payload, event)
        if event == before and written == payload:
            return UNCHANGED
        hidden = _replaced(_tree(payload), _tree(written)) if messages is not None else []
        shown = _shown(messages, before, event, hidden)
        return written, self._keyed(record_id), _json(event), shown

    def _says_nothing(self, event: Node, personal: PersonalFields, payload: str) -> bool:
        """Says of most records, at a third of the cost, that nothing in them is personal.

        True where event and record have names alone that are known to say nothing, and no object
        or list in the place of a value, as JSON either. For all others it says nothing.
        """
        texts = (event.get("metadata") or {}).values()
        if not personal.is_plain(event) or any(_is_json(text) for text in texts):
            return False
        try:
            raw = _tree(payload)
        except RecursionError:
            return False
        if not isinstance(raw, dict):
            return False
        rest = {name: value for name, value in raw.items() if name not in PARTS}
        parts = {name: raw.get(name) for name in PARTS}
        if any(isinstance(part, str) for part in parts.values()):
            return False
        return personal.is_plain({"metadata": rest}) and personal.is_plain(parts)

    def _payload(self, payload: str, before: Node, event: Node, personal: PersonalFields) -> str:
        raw = _tree(payload)
        if not isinstance(raw, dict):
            return mask(payload)[0]
        self._protect_payload(raw, before, event, personal)
        return payload if raw == _tree(payload) else _json(raw)

    def _as_whole(self, payload: str, event: Node) -> str:
        """What is nested too deeply to be looked through is personal as a whole."""
        for name, text in (event.get("metadata") or {}).items():
            if str(text)[:1] in ("{", "["):
                event["metadata"][name] = pseudonym_of(name, text, self._pseudonyms)
        return json.dumps({"too_deep": pseudonym_of("payload", payload, self._pseudonyms)})

    def _pair(self, found: re.Match[str]) -> str:
        """A name and its value in a record that cannot be read as a whole."""
        name, between, value = found.groups()
        # Of what type the event would be is not known: what any type has as personal counts.
        is_known = self._personal[""].meaning(name)[1] == PERSONAL
        if not is_known and not is_same_name(name, self._personal_columns):
            return found[0]
        return f'"{name}"{between}"{pseudonym_of(name, value.strip(QUOTE), self._pseudonyms)}"'

    def _keyed(self, record_id: str) -> str | None:
        if self._keeps_ids:
            return None
        # An element is still one of its record, at its place.
        record, mark, position = record_id.partition(MARK)
        keyed = hmac.digest(self._secret, f"record\0{record}".encode(), "sha256").hex()
        return f"{keyed}{mark}{position}"

    def _protect(self, event: Node, personal: PersonalFields) -> None:
        """Values of metadata are texts; one that holds an object is looked through as one."""
        texts = event.get("metadata") or {}
        trees = {key: _tree(text) for key, text in texts.items()}
        was = {key: _json(tree) for key, tree in trees.items() if isinstance(tree, dict | list)}
        if texts:
            event["metadata"] = trees
        personal.pseudonymise(event, self._pseudonyms)
        if texts:
            event["metadata"] = {
                key: texts[key] if key in was and was[key] == _text(tree) else _text(tree)
                for key, tree in trees.items()
            }

    def _protect_payload(
        self, raw: Node, before: Node, event: Node, personal: PersonalFields
    ) -> None:
        """First what the mapping leads to personal fields, then what has a personal name.

        Last the texts in which people write. Values that came to nothing in the event are no less
        personal.
        """
        led = self._led(tuple(raw))
        singles: dict[str, list[str]] = {}
        for field, name in led:
            group, _, key = field.partition(".")
            if field in PARTS:
                self._walk_part(raw, name, field, before, personal)
                continue
            was, now = (_value(one, group, key) for one in (before, event))
            if raw[name] is None or not (was != now or _is_personal(field, personal)):
                continue
            if isinstance(_tree(raw[name]), dict | list):
                raw[name] = self._inside(raw[name], field, was)
            else:
                singles.setdefault(field, []).append(name)
        for field, names in singles.items():
            for name in self._sources_of(field, names, raw, before, personal):
                raw[name] = pseudonym_of(_short(field), raw[name], self._pseudonyms)
        free_text = self._free_text.get(before.get("event_type") or "", self._free_text[""])
        _mask_raw(raw, led, free_text)
        rest = {name: value for name, value in raw.items() if name not in PARTS}
        personal.pseudonymise({"metadata": rest}, self._pseudonyms)
        raw.update(rest)

    def _sources_of(
        self, field: str, names: list[str], raw: Node, before: Node, personal: PersonalFields
    ) -> list[str]:
        """The columns of a record whose values a personal field is made of.

        Those that its value shows; where it shows none, having been written otherwise, all. Where
        it is null, those that lead to no other field, which would show them anyway.
        """
        group, _, key = field.partition(".")
        was = _value(before, group, key)
        if was is not None:
            return [name for name in names if _meet(raw[name], was)] or names
        led = self._led(tuple(raw))
        shared = {n for other, n in led if not _is_personal(other, personal)}
        return [name for name in names if name not in shared]

    def _inside(self, value: Any, field: str, was: Any) -> Any:
        """A list or object with pseudonyms where the mapping of `field` may have looked."""
        tree = _tree(value)
        words, name = self._words[field], _short(field)

        def walk(node: Any, is_named: bool) -> Any:
            if isinstance(node, dict):
                return {key: walk(inner, key.lower() in words) for key, inner in node.items()}
            if isinstance(node, list):
                return [walk(inner, is_named) for inner in node]
            if not is_named or node is None or isinstance(node, bool):
                return node
            return pseudonym_of(name, node, self._pseudonyms)

        # A list of texts has no names inside: the mapping looked at all of it.
        hidden = walk(tree, is_named=isinstance(tree, list))
        if hidden == tree and was is not None and _meet(_json(tree), was):
            return pseudonym_of(name, value, self._pseudonyms)
        return _json(hidden) if isinstance(value, str) else hidden

    def _led(self, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Pairs of an event's field and the name in a record that leads to it."""
        found = self._by_names.get(names)
        if found is None:
            found = tuple(
                (field, name)
                for field, columns in self._origins.items()
                for name in names
                if is_same_name(name, columns)
            )
            if len(self._by_names) < MAX_SHAPES:
                self._by_names[names] = found
        return found

    def _walk_part(
        self, raw: Node, name: str, part: str, before: Node, personal: PersonalFields
    ) -> None:
        value = _tree(raw[name]) if isinstance(raw[name], str) else raw[name]
        if isinstance(value, dict):
            of = {"event_type": before.get("event_type"), part: value}
            personal.pseudonymise(of, self._pseudonyms)
            raw[name] = _json(value) if isinstance(raw[name], str) else value


def _is_personal(field: str, personal: PersonalFields) -> bool:
    """Whether a field of an event is personal by the plan or its name, whatever it holds."""
    return personal.is_identifier(field) or (
        "." in field and personal.meaning(_short(field))[1] == PERSONAL
    )


def _short(field: str) -> str:
    return field.rpartition(".")[2]


def _mask_parts(event: Node, fields: Iterable[str]) -> None:
    """Masks what the scanner finds in texts of metadata and context, in place."""
    for field in fields:
        group, _, key = field.partition(".")
        node = event.get(group)
        if isinstance(node, dict):
            for name in (key,) if key else tuple(node):
                if node.get(name) is not None:
                    node[name] = _masked(node[name])


def _mask_raw(raw: Node, led: Iterable[tuple[str, str]], fields: Sequence[str]) -> None:
    """Masks in a record what leads to texts that people write."""
    for field, name in led if fields else ():
        if field in fields or field.partition(".")[0] in fields:
            raw[name] = _masked(raw[name])
        elif field in PARTS:
            of = {field: _tree(raw[name])}
            _mask_parts(of, fields)
            raw[name] = _json(of[field]) if isinstance(raw[name], str) else of[field]


def _masked(value: Any) -> Any:
    tree = _tree(value)
    found, count = mask_tree(tree)
    if not count:
        return value
    return _json(found) if isinstance(value, str) and tree is not value else found


def _replaced(old: Any, new: Any) -> list[str]:
    """The values of a record that stand no longer in it, as texts."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [text for key in old for text in _replaced(old[key], new.get(key))]
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip(old, new, strict=False)
        return [text for one, other in pairs for text in _replaced(one, other)]
    return [] if old == new or old in (None, "") else [_text(old)]


def _origins(source: SourceConfig) -> dict[str, tuple[str, ...]]:
    """Event field → spellings of the columns that its expression reads, through its names."""
    return {field: _columns_of(text, source) for field, text in source.columns.items()}


def _columns_of(text: str, source: SourceConfig, depth: int = 20) -> tuple[str, ...]:
    words = set(WORD.findall(text))
    found: list[str] = []
    for column in source.all_fields:
        is_path = "." in column and column.partition(".")[0] in words
        if column in words or is_path or f"`{column}`" in text:
            found += spellings(source, column)
    if depth:
        inner = {**source.let, **{name: one.of for name, one in source.lookups.items()}}
        inner |= {source.explode.name: source.explode.of} if source.explode else {}
        for name, expression in inner.items():
            if name in words:
                found += _columns_of(expression, source, depth - 1)
    return tuple(dict.fromkeys(found))


def _may_be_traits(source: SourceConfig) -> bool:
    """Whether events can be of a type whose metadata is about a person.

    They cannot where the mapping writes the types as literals, and none of these is among them.
    """
    text = source.columns.get("event_type", "").strip()
    while text in source.let:
        text = source.let[text].strip()
    return "'" not in text or not TRAIT_EVENTS.isdisjoint(WORD.findall(text))


def _value(event: Node, group: str, key: str) -> Any:
    return (event.get(group) or {}).get(key) if key else event.get(group)


def _meet(raw: Any, mapped: Any) -> bool:
    """Whether a value of the record is in the personal one that came of it, or the reverse."""
    one, other = (str(value).strip().casefold() for value in (raw, mapped))
    return bool(one) and (one in other or other in one)


def _shown(messages: Any, before: Node, event: Node, replaced: Iterable[str]) -> list[str] | None:
    """Reasons without the values that became pseudonyms, of which they show the beginning."""
    if messages is None:
        return None
    pairs = [(before.get(name), event.get(name)) for name in IDENTIFIERS]
    old, new = before.get("metadata") or {}, event.get("metadata") or {}
    pairs += [(old[key], new.get(key)) for key in old]
    hidden = [str(was)[:80] for was, now in pairs if was and was != now]
    hidden += [str(text)[:80] for text in replaced]
    return [_without(str(text), hidden) for text in messages]


def _without(text: str, hidden: Iterable[str]) -> str:
    for value in hidden:
        text = text.replace(value, "[personal]")
    return text


def _is_json(text: Any) -> bool:
    """Whether a text may be an object or a list."""
    return isinstance(text, str) and text.lstrip()[:1] in ("{", "[")


def _tree(text: Any) -> Any:
    if _is_json(text):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _text(value: Any) -> Any:
    return _json(value) if isinstance(value, dict | list) else value


@lru_cache(1)
def _encoder() -> json.JSONEncoder:
    return json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _json(value: Any) -> str:
    return _encoder().encode(value)
