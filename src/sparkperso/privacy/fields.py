"""Puts pseudonyms into an event's personal fields: those of a plan, and those known by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sparkperso.privacy.kinds import kind_of
from sparkperso.privacy.names import (
    HARMLESS,
    JOINING,
    MAX_NAME,
    TRAIT_EVENTS,
    TRAITS,
    compact,
    is_personal,
)
from sparkperso.privacy.pseudonyms import Pseudonyms

Tree = dict[str, "Tree"]
PARTS = ("metadata", "context")
PLAN_PARTS = ("metadata", "traits")
MAX_KNOWN = 4096
"""Names whose meaning is kept in memory. A sender may use any number of them: when it is full, it
begins anew, so that theirs do not keep out everybody's for good."""
INNER = frozenset({dict, list})
CLEAR, PERSONAL, UNKNOWN = "clear", "personal", "unknown"
OF_TRAITS, JOINED = "traits", "joined"


class PersonalFields:
    """The personal fields of one type of event.

    `fields` are those of a tracking plan: `user_id`, `metadata.email`, deeper paths too. Names are
    equal in whatever way they are spelled. A field directly below `metadata` or `metadata.traits`
    is personal at any depth, as are the names that `names.PERSONAL` knows; a deeper path, in its
    place. Of traits, all are personal but those of `names.HARMLESS` and `public`, and truth values.
    """

    def __init__(self, fields: Iterable[str], public: Iterable[str] = ()) -> None:
        self._tree: Tree = {}
        names = set()
        for field in sorted(fields):  # a parent comes before its children, and takes them along
            path = field.split(".")
            # The first part is a field of the event, in its own spelling; those below have any.
            _plant(self._tree, [path[0], *map(compact, path[1:])])
            below = path[2:] if tuple(path[:2]) == PLAN_PARTS else path[1:]
            if path[0] in PARTS and len(below) == 1:
                names.add(compact(below[0]))
        self._names = frozenset(names)
        self._public = frozenset(map(compact, public)) - self._names
        self._identifiers = tuple(name for name in self._tree if name not in PARTS)
        self._in_tree = frozenset(_names_in(self._tree))
        self._plain: set[str] = set()
        self._known: dict[str, tuple[str, str, bool]] = {}

    def is_identifier(self, name: str) -> bool:
        """Says whether a field of the event itself, such as `user_id`, is personal."""
        return name in self._identifiers

    def pseudonymise_identifiers(self, event: dict[str, Any], pseudonyms: Pseudonyms) -> None:
        """Replaces the event's own personal fields (`user_id`, `item_id`) in place, where set.

        What is a pseudonym of a known key already only comes under the current one.
        """
        for name in self._identifiers:
            if event.get(name) is not None:
                event[name] = pseudonym_of(name, event[name], pseudonyms)

    def pseudonymise(self, event: dict[str, Any], pseudonyms: Pseudonyms) -> int:
        """Replaces all personal fields in place, where set. Lists and objects go by their JSON.

        Returns how many values of metadata and context were replaced; identifiers do not count.
        """
        self.pseudonymise_identifiers(event, pseudonyms)
        is_of_person = event.get("event_type") in TRAIT_EVENTS
        walk: _Walk | None = None
        for part in PARTS:
            node = event.get(part)
            if not isinstance(node, dict) or (not is_of_person and self._has_plain(node)):
                continue
            walk = walk or _Walk(self, pseudonyms)
            are_traits = is_of_person and part == "metadata"
            walk.through(node, self._tree.get(part, {}), are_traits, is_top=True)
        return walk.count if walk else 0

    def is_plain(self, event: dict[str, Any]) -> bool:
        """Says whether `pseudonymise` would find nothing, as can be told at a look.

        Names are known only once they were looked at: the first events that have them are not.
        """
        if event.get("event_type") in TRAIT_EVENTS:
            return False
        if any(event.get(name) is not None for name in self._identifiers):
            return False
        nodes = (event.get(part) for part in PARTS)
        return all(self._has_plain(node) for node in nodes if isinstance(node, dict))

    def _has_plain(self, node: dict[str, Any]) -> bool:
        """Says whether an object has names that say nothing, and no object or list: nearly all."""
        if not node.keys() <= self._plain:
            return False
        return INNER.isdisjoint(map(type, node.values()))

    def meaning(self, name: str) -> tuple[str, str, bool]:
        """Returns a name without spelling, what it says of its value, and whether that is nothing.

        It says clear, personal, traits, joined or unknown; nothing, where only traits would care.
        Kept in memory for MAX_KNOWN names.
        """
        meaning = self._known.get(name)
        if meaning is None:
            short = compact(name)
            says = self._meaning(name, short)
            says_nothing = says not in (PERSONAL, OF_TRAITS) and short not in self._in_tree
            meaning = short, says, says_nothing
            if len(name) <= MAX_NAME:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                    self._plain.clear()
                self._known[name] = meaning
                if says_nothing:
                    self._plain.add(name)
        return meaning

    def _meaning(self, name: str, short: str) -> str:
        # The plan's word comes first, then what is known by name; traits are personal unless known.
        if short in self._names:
            return PERSONAL
        if short in self._public:
            return CLEAR
        if short in TRAITS:
            return OF_TRAITS
        if is_personal(name):
            return PERSONAL
        if short in JOINING:
            return JOINED
        return CLEAR if short in HARMLESS else UNKNOWN


class _Walk:
    """One way through the metadata or context of one event."""

    def __init__(self, fields: PersonalFields, pseudonyms: Pseudonyms) -> None:
        self._meaning, self._pseudonyms, self.count = fields.meaning, pseudonyms, 0

    def through(
        self, node: dict[str, Any], tree: Tree, are_traits: bool, is_top: bool = False
    ) -> None:
        """Replaces what is personal in an object; `tree` is what the plan says of its place."""
        for name, value in node.items():
            short, means, says_nothing = self._meaning(name)
            is_plain = says_nothing and not are_traits and isinstance(value, str)
            if is_plain or value is None or value is True or value is False:
                continue
            below = tree.get(short)
            inside = are_traits or means == OF_TRAITS
            is_unknown = means == OF_TRAITS or (
                are_traits and (means == UNKNOWN or (means == JOINED and not is_top))
            )
            # An empty tree is the end of a path of the plan: the value itself is personal.
            if (
                means == PERSONAL
                or below == {}
                or (is_unknown and not isinstance(value, dict | list))
            ):
                node[name] = self._pseudonym(name, value)
            elif isinstance(value, dict):
                self.through(value, below or {}, inside)
            elif isinstance(value, list):
                self._through_list(name, value, inside, is_unknown)

    def _through_list(
        self, name: str, values: list[Any], are_traits: bool, is_unknown: bool
    ) -> None:
        for place, value in enumerate(values):
            if isinstance(value, dict):
                self.through(value, {}, are_traits)
            elif isinstance(value, list):
                self._through_list(name, value, are_traits, is_unknown)
            elif is_unknown and value is not None and not isinstance(value, bool):
                values[place] = self._pseudonym(name, value)

    def _pseudonym(self, name: str, value: Any) -> str:
        self.count += 1
        return pseudonym_of(name, value, self._pseudonyms)


def pseudonymise_fields(
    event: dict[str, Any], fields: Iterable[str], pseudonyms: Pseudonyms
) -> None:
    """Replaces the personal fields of one event in place."""
    PersonalFields(fields).pseudonymise(event, pseudonyms)


def pseudonym_of(name: str, value: Any, pseudonyms: Pseudonyms) -> str:
    """Returns the pseudonym of a field's value: a text as it is, anything else as its JSON."""
    text = value
    if not isinstance(value, str):
        # In one order and without blanks: equal objects have equal pseudonyms.
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return pseudonyms.of(kind_of(name, text), text)


def _plant(tree: Tree, path: list[str]) -> None:
    for place, name in enumerate(path):
        is_known, is_last = name in tree, place == len(path) - 1
        if is_known and not tree[name]:  # a parent is personal as a whole
            return
        tree = tree.setdefault(name, {})
        if is_last:
            tree.clear()


def _names_in(tree: Tree) -> Iterator[str]:
    for name, below in tree.items():
        yield name
        yield from _names_in(below)
