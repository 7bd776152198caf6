"""Puts pseudonyms into the fields of an event that a tracking plan marks as personal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sparkperso.privacy.kinds import kind_of
from sparkperso.privacy.pseudonyms import Pseudonyms


class PersonalFields:
    """The personal fields of one type of event, and a quick look whether an event has any.

    Most events have none, and each is looked at: two set operations, whatever the plan's length.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self.fields = tuple(fields)
        paths = [field.split(".") for field in self.fields]
        self._own = frozenset(path[0] for path in paths if len(path) == 1)
        groups = {path[0] for path in paths if len(path) > 1}
        self._groups = [
            (group, frozenset(path[1] for path in paths if path[0] == group and len(path) > 1))
            for group in sorted(groups)
        ]

    def may_be_in(self, event: Mapping[str, Any]) -> bool:
        """Says whether an event has one of the fields, or the group that one is in."""
        return not self._own.isdisjoint(event) or any(
            not names.isdisjoint(event.get(group) or ()) for group, names in self._groups
        )


def pseudonymise_fields(
    event: dict[str, Any], fields: Iterable[str], pseudonyms: Pseudonyms
) -> None:
    """Replaces the fields (`user_id`, `metadata.email`, deeper paths too) in place, where set.

    Lists, objects and numbers are taken by their JSON text.
    """
    for field in fields:
        *parents, name = field.split(".")
        node: Any = event
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if isinstance(node, dict) and node.get(name) is not None:
            text = _text(node[name])
            node[name] = pseudonyms.of(kind_of(field, text), text)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
