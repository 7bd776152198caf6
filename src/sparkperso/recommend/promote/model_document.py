"""Reading the document of a registered version, which may be older than the code that asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

Document = Mapping[str, Any]


class MissingFieldError(Exception):
    """A document does not say what is asked; the text is the path of what is missing."""


def value_at(document: Document, *path: str) -> Any:
    """Returns the value at a path of a document; raises Lacking when it is not there."""
    value: Any = document
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            raise MissingFieldError(".".join(path))
        value = value[name]
    return value


def time_at(document: Document, name: str) -> datetime:
    """Returns an ISO 8601 time as naive UTC, read as UTC without an offset; raises Lacking."""
    try:
        when = datetime.fromisoformat(str(value_at(document, name)).replace("Z", "+00:00"))
    except ValueError:
        raise MissingFieldError(f"{name} as an ISO 8601 time") from None
    return when.astimezone(timezone.utc).replace(tzinfo=None) if when.tzinfo else when
