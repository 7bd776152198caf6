"""Reading the document of a registered version, which may be older than the code that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

Document = Mapping[str, Any]


class MissingFieldError(Exception):
    """A document lacks a field; the text is the path of what is missing, with dots."""


def value_at(document: Document, *path: str) -> Any:
    """Returns the value at a path of a document; raises MissingFieldError when it is not there.

    >>> value_at({"test": {"metric": "ndcg_at_10"}}, "test", "metric")
    'ndcg_at_10'
    """
    value: Any = document
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            raise MissingFieldError(".".join(path))
        value = value[name]
    return value


def time_at(document: Document, name: str) -> datetime:
    """Returns an ISO 8601 time as naive UTC, read as UTC without an offset.

    Raises MissingFieldError where it is not there, or no such time.

    >>> time_at({"as_of": "2026-03-01T12:00:00+02:00"}, "as_of")
    datetime.datetime(2026, 3, 1, 10, 0)
    """
    try:
        when = datetime.fromisoformat(str(value_at(document, name)).replace("Z", "+00:00"))
    except ValueError:
        raise MissingFieldError(f"{name} as an ISO 8601 time") from None
    return when.astimezone(timezone.utc).replace(tzinfo=None) if when.tzinfo else when
