"""Entries as content: which field holds what is configuration; what one entry lacks is its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import orjson

from sparkperso.config.content.assets import Content
from sparkperso.config.content.cms import BodyMap, BodyMaps, Source
from sparkperso.config.content.section import ANY
from sparkperso.config.load import validate
from sparkperso.core.errors import ConfigError
from sparkperso.services.content.entries import (
    LONGEST,
    MOST_LEVELS,
    Entry,
    EntryProblem,
    is_deep,
    look_up,
)
from sparkperso.services.content.rich_text import is_rich_text, rich_text_html

LONGEST_NAME = 60


@dataclass
class Mapped:
    """What a system's entries are as content."""

    contents: dict[str, Content] = field(default_factory=dict)
    entry_ids: dict[str, str] = field(default_factory=dict)
    """Name of content → the entry that it comes from."""
    problems: list[EntryProblem] = field(default_factory=list)
    """One for each entry that is left out."""


def map_entries(
    entries: Iterable[Entry], source: Source, default_language: str, trusted_content: bool
) -> Mapped:
    """Returns entries as content; one that does not fit is left out, with the reason.

    Entries in several languages become one content: what is not a body is taken of the one in
    `default_language`, else of the first that has it. Of two with one name the first counts.
    """
    mapped = Mapped()
    for group in _groups(entries, source):
        ordered = sorted(group, key=lambda one: _language(one, source) != default_language)
        first = ordered[0]
        try:
            content = _content(ordered, source, trusted_content)
        except ValueError as error:
            mapped.problems.append(EntryProblem(first.entry_id, str(error)))
            continue
        if content.name in mapped.contents:
            other = mapped.entry_ids[content.name]
            text = f"entry {other} has the name '{content.name}' too, and comes first"
            mapped.problems.append(EntryProblem(first.entry_id, text))
            continue
        mapped.contents[content.name] = content
        mapped.entry_ids[content.name] = first.entry_id
    return mapped


def _groups(entries: Iterable[Entry], source: Source) -> list[list[Entry]]:
    groups: dict[object, list[Entry]] = {}
    for entry in entries:
        name = look_up(entry.values, source.fields.name)
        # Without either it stands alone: it is told apart by its id, and left out by name.
        key = entry.key or (name if isinstance(name, str) and name else f"\0{entry.entry_id}")
        same = groups.setdefault(key, [])
        if any(one.language == entry.language for one in same):
            groups[key, entry.entry_id] = [entry]
        else:
            same.append(entry)
    return list(groups.values())


def _language(entry: Entry, source: Source) -> str:
    if entry.language is None:
        return ANY
    return source.languages.get(entry.language, entry.language.lower().replace("_", "-"))


def _content(group: Sequence[Entry], source: Source, trusted_content: bool) -> Content:
    fields = source.fields

    def first(path: str) -> Any:
        found = (look_up(one.values, path) for one in group)
        return next((one for one in found if one not in (None, "", [], {})), None)

    window = {"from": first(fields.valid_from), "until": first(fields.valid_until)}
    document = {
        "name": _name(first(fields.name)),
        "description": first(fields.description),
        "slots": _names(first(fields.slots)) or list(source.slots),
        "tags": _given(
            segments=_names(first(fields.segments)),
            behaviours=_json(first(fields.behaviours), "behaviours"),
            preferences=_json(first(fields.preferences), "preferences"),
        ),
        "priority": first(fields.priority),
        "valid": _given(**window),
        "items": _items(first(fields.items)),
        "bodies": _bodies(group, fields.bodies, source),
        "variants": _variants(group, source),
        "trusted": source.trusted,
    }
    context = {"trusted_content": trusted_content}
    try:
        return validate(Content, _given(**document), "the entry", {}, context)
    except ConfigError as error:
        raise ValueError(shorten(error.found, LONGEST)) from None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("it has no name: fields.name says which field holds it")
    if len(value) > LONGEST_NAME:
        raise ValueError(f"its name has {len(value):,} characters: {LONGEST_NAME} are taken")
    return value


def _names(value: Any) -> list[Any] | None:
    """Names of a list, or of a text with commas or lines."""
    if isinstance(value, str):
        return [one.strip() for one in re.split(r"[,\n]", value) if one.strip()]
    return value if isinstance(value, list) or value is None else [value]


def _json(value: Any, what: str) -> Any:
    """A value that may stand in a text, as JSON."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"{what} should be JSON: {error}") from None
    return _shallow(value, what)


def _shallow(value: Any, what: str) -> Any:
    if is_deep(value):
        raise ValueError(f"{what} has more than {MOST_LEVELS} levels")
    return value


def _items(value: Any) -> Any:
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return {"kind": value}
    return _json(value, "items")


def _bodies(group: Sequence[Entry], maps: BodyMaps, source: Source) -> dict[str, dict[str, Any]]:
    bodies: dict[str, dict[str, Any]] = {}
    for entry in group:
        for channel, body in _bodies_of(entry.values, _own(entry), maps).items():
            bodies.setdefault(channel, {}).setdefault(_language(entry, source), body)
    return bodies


def _own(entry: Entry) -> Mapping[str, Any]:
    return entry.values if entry.own is None else entry.own


def _bodies_of(values: Any, own: Any, maps: BodyMaps) -> dict[str, Any]:
    """Channel → body of one entry in one language, of those that it has any of its own of."""
    found = {str(channel): _body(values, own, where) for channel, where in maps.items()}
    return {channel: body for channel, body in found.items() if body not in (None, "", {}, [])}


def _body(values: Any, own: Any, where: BodyMap) -> Any:
    if isinstance(where, dict):
        # One that is translated is enough: what is not, such as an address, is that of all.
        if all(look_up(own, path) is None for path in where.values()):
            return None
        parts = {name: look_up(values, path) for name, path in where.items()}
        return _shallow({n: one for n, one in parts.items() if one is not None}, "a body")
    value = look_up(own, where)
    if is_rich_text(value):
        return rich_text_html(_shallow(value, "a body"))
    # Of blocks, as in Wagtail's StreamField: the HTML of all, one after the other.
    if "*" in where and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return _shallow(value, f"a body ('{where}')")


def _variants(group: Sequence[Entry], source: Source) -> dict[str, Any]:
    """Variants by name: those of JSON as they are, those that are entries with their bodies."""
    fields = source.fields
    variants: dict[str, Any] = {}
    for entry in group:
        value = _json(look_up(entry.values, fields.variants), "variants")
        if isinstance(value, Mapping):
            return dict(value)
        if not isinstance(value, list) and value is not None:
            raise ValueError(f"variants should be entries, or JSON, found {type(value).__name__}")
        own = look_up(_own(entry), fields.variants)
        for number, one in enumerate(value or ()):
            name = look_up(one, fields.variant.name)
            if not isinstance(name, str):
                raise ValueError(f"variant {number + 1} has no name (fields.variant.name)")
            known = variants.setdefault(name, _given(weight=look_up(one, fields.variant.weight)))
            translated = own[number] if isinstance(own, list) and number < len(own) else {}
            for channel, body in _bodies_of(one, translated, fields.variant.bodies).items():
                languages = known.setdefault("bodies", {}).setdefault(channel, {})
                languages.setdefault(_language(entry, source), body)
    return variants
