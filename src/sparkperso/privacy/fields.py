"""Puts pseudonyms into the fields of an event that a tracking plan marks as personal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sparkperso.privacy.kinds import kind_of
from sparkperso.privacy.pseudonyms import Pseudonyms

Tree = dict[str, "Tree"]


class PersonalFields:
    """The personal fields of one type of event: `user_id`, `metadata.email`, deeper paths too.

    They are kept as a tree, so that an event costs a look per object, whatever the plan's length.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self._tree: Tree = {}
        for field in sorted(fields):  # a parent comes before its children, and takes them along
            _plant(self._tree, field.split("."))

    def pseudonymise(self, event: dict[str, Any], pseudonyms: Pseudonyms) -> None:
        """Replaces the fields in place, where set. Lists, objects and numbers go by their JSON."""
        _replace(event, self._tree, pseudonyms)


def pseudonymise_fields(
    event: dict[str, Any], fields: Iterable[str], pseudonyms: Pseudonyms
) -> None:
    """Replaces the fields of one event in place."""
    PersonalFields(fields).pseudonymise(event, pseudonyms)


def _plant(tree: Tree, path: list[str]) -> None:
    for place, name in enumerate(path):
        is_known, is_last = name in tree, place == len(path) - 1
        if is_known and not tree[name]:  # a parent is personal as a whole
            return
        tree = tree.setdefault(name, {})
        if is_last:
            tree.clear()


def _replace(node: dict[str, Any], tree: Tree, pseudonyms: Pseudonyms) -> None:
    for name in tree.keys() & node.keys():
        value, below = node[name], tree[name]
        if below:
            if isinstance(value, dict):
                _replace(value, below, pseudonyms)
        elif value is not None:
            text = _text(value)
            node[name] = pseudonyms.of(kind_of(name, text), text)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
