"""Reads what requests send, within bounds, into what the engine takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args
from urllib.parse import parse_qsl, unquote_to_bytes

from sparkperso.config.api import MOST_ITEMS
from sparkperso.config.content.slots import ListKind
from sparkperso.core.errors import UsageError
from sparkperso.core.spellings import snake_case
from sparkperso.decisions.facts import MOST_TEXTS, read_context
from sparkperso.rules.attributes import NUMBER, TEXT
from sparkperso.rules.context import SENT, TEXTS, RequestContext
from sparkperso.services.http.problems import Problem

LONGEST_ID = 512
"""Characters of an id."""
MOST_FIELDS = 1_200
"""Fields of a query: three lists of `MOST_TEXTS` texts do not fit into it, one does."""
KINDS: tuple[ListKind, ...] = get_args(ListKind)
FLAGS = {"": True, "1": True, "true": True, "0": False, "false": False}
TYPES: Mapping[str, tuple[Any, str]] = {
    TEXT: (str, "a text"),
    TEXTS: (str | list, "a list of texts"),
    NUMBER: (int, "a whole number"),
}
"""Type of a field of the context → what it may be in JSON, and in words."""
OF_LISTS = frozenset({"n", "kind", "exclude", "category", "anonymous_id", "explain"})
"""What a request for a list sends beside its context."""
OF_CONTEXT = frozenset(SENT) - {"n", "category"}

Query = Mapping[str, Sequence[str]]


def read_query(text: bytes, known: frozenset[str]) -> dict[str, list[str]]:
    """Returns name → values of a query string.

    Raises a 422 Problem for names that are not `known`, for too many of them, and for what is not
    UTF-8: read as something else it would name somebody else.
    """
    try:
        pairs = parse_qsl(
            text.decode("latin-1"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except UnicodeDecodeError:
        raise invalid("A query should be text in UTF-8.") from None
    except ValueError:
        raise invalid(f"A query has at most {MOST_FIELDS} fields.") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    unknown = sorted(values.keys() - known)
    if unknown:
        names = ", ".join(sorted(known))
        raise invalid(f"A query has the fields {names}; '{unknown[0][:80]}' is none of them.")
    return values


def one_of(query: Query, name: str) -> str | None:
    """Returns the only value of a field, None without one; raises a 422 Problem for several."""
    values = query.get(name)
    if values is None:
        return None
    if len(values) > 1:
        raise invalid(f"'{name}' should come once; it came {len(values)} times.")
    return values[0]


def unquoted(path: bytes, name: str) -> str:
    """Returns a part of a path as text; raises a 422 Problem for what is not UTF-8."""
    if b"%" not in path:
        return path.decode("ascii", "replace")
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise invalid(f"{name} should be text in UTF-8.") from None


def read_id(value: Any, name: str) -> str:
    """Returns an id; raises a 422 Problem for what is no text of 1 to LONGEST_ID characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_ID:
        raise invalid(f"{name} should be a text of 1 to {LONGEST_ID} characters.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(f"{name} should be text in Unicode; it has half a character.") from None
    return value


def read_optional_id(value: Any, name: str) -> str | None:
    """Returns an id, None where none was sent; raises as `read_id` does."""
    return None if value is None else read_id(value, name)


def read_count(value: Any, default: int, name: str = "n") -> int:
    """Returns how many places a list has; raises a 422 Problem beyond 1 to MOST_ITEMS."""
    if value is None:
        return default
    value = as_whole(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ITEMS:
        raise invalid(f"{name} should be a whole number from 1 to {MOST_ITEMS}.")
    return value


def as_whole(value: Any) -> Any:
    """Returns a number that is whole as an int: JSON's 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def number_in(query: Query, name: str) -> int | str | None:
    """Returns a number of a query; what is none comes as it was sent."""
    text = one_of(query, name)
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= 9
    return int(text) if text and is_number else text


def read_flag(value: Any, name: str) -> bool:
    """Returns whether a flag is set; raises a 422 Problem for what is none."""
    if value is not None and not isinstance(value, bool):
        raise invalid(f"{name} should be true or false.")
    return bool(value)


def flag_in(query: Query, name: str) -> bool | str | None:
    """Returns a flag of a query, which its name alone sets; what is none comes as it was sent."""
    text = one_of(query, name)
    return None if text is None else FLAGS.get(text, text)


def read_kind(value: Any) -> ListKind:
    """Returns the kind of a list, `new` where none is asked for; raises a 422 Problem."""
    if value is None:
        return "new"
    for kind in KINDS:
        if value == kind:
            return kind
    raise invalid(f"kind should be one of {', '.join(KINDS)}.")


def read_ids(value: Any, name: str) -> tuple[str, ...]:
    """Returns a list of ids; raises a 422 Problem for too many, and for what is no list."""
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or len(values) > MOST_TEXTS:
        raise invalid(f"{name} should be a list of at most {MOST_TEXTS} ids.")
    return tuple(read_id(one, f"Each of {name}") for one in values)


def read_category(value: Any) -> str | None:
    """Returns a category as ingest spells it, None where none was sent."""
    return None if value is None else snake_case(read_id(value, "category")) or None


def context_in(query: Query) -> dict[str, Any]:
    """Returns what a query sends of a context; raises a 422 Problem for a text that came twice."""
    return {
        name: list(query[name]) if SENT[name] == TEXTS else one_of(query, name)
        for name in OF_CONTEXT
        if name in query
    }


def context_of(sent: Any, countries: Mapping[str, str]) -> RequestContext:
    """Returns a context that was sent as an object; raises a 422 Problem for what is none."""
    if not isinstance(sent, Mapping):
        raise invalid("context should be an object.")
    sent = {name: as_whole(value) for name, value in sent.items()}
    _check_types(sent)
    try:
        context = read_context(sent, countries)
        for value in context.values():
            for text in (
                (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
            ):
                text.encode()
    except UsageError as error:
        raise invalid(str(error)) from None
    except UnicodeEncodeError:
        raise invalid("context should hold text in Unicode; it has half a character.") from None
    return context


def _check_types(sent: Mapping[Any, Any]) -> None:
    for name, value in sent.items():
        kinds, words = TYPES[SENT[name]] if name in SENT else (object, "")
        if value is not None and not isinstance(value, kinds):
            raise invalid(f"{name} should be {words}.")


def invalid(detail: str) -> Problem:
    """Returns 422: the request can be read, and asks for what cannot be."""
    return Problem(422, "invalid", detail)
