"""Lists and items of the store, for a group of people at a time."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from sparkperso.config.content.slots import ListKind
from sparkperso.core.columns import ITEM_ID
from sparkperso.decisions.facts import Facts
from sparkperso.decisions.items import Item
from sparkperso.mail.plan import MailPlan
from sparkperso.services.mailing.people import Records
from sparkperso.services.stores.base import Address
from sparkperso.services.stores.live import LiveStore
from sparkperso.services.stores.manifest import Manifest
from sparkperso.services.stores.records import (
    GLOBAL,
    ITEMS,
    LIST_KINDS,
    LISTS,
    POPULAR,
    SIMILAR,
    popular_scopes,
    split_list,
)

MOST_ITEMS = 100_000
"""Items that are remembered at a time."""
FALLS_BACK = frozenset({"new", "mixed", "next"})
"""Lists that popular items stand in for, where a person has none."""


class ListReader:
    """Reads what plans want, each group in two round trips; items are remembered."""

    def __init__(self, store: LiveStore) -> None:
        self._store = store
        self._lists: dict[Address, list[dict[str, Any]]] = {}
        self._items: OrderedDict[str, dict[str, Any]] = OrderedDict()

    @property
    def records(self) -> Records:
        """Returns where records are read."""
        return self._store

    @property
    def manifest(self) -> Manifest | None:
        """Returns that of the version which is read; None where there is none."""
        return self._store.version.manifest if self._store.version else None

    def refresh(self) -> None:
        """Turns to the version that is current now; of another one nothing is remembered."""
        if self._store.refresh():
            self._items.clear()

    def load(self, plans: Iterable[tuple[str, MailPlan]]) -> None:
        """Reads the lists of people (user_id, plan), and what is known of the items in them."""
        plans = list(plans)
        wanted = dict.fromkeys(
            address
            for user_id, plan in plans
            for kind in plan.wanted
            for address in _addresses(kind, user_id, plan)
        )
        records = self._store.get_many(list(wanted))
        self._lists = {
            address: json.loads(b"[%b]" % split_list(record)[1]) if record else []
            for address, record in zip(wanted, records, strict=True)
        }
        longest = max((n for _, plan in plans for n in plan.wanted.values()), default=0)
        ids = [one[ITEM_ID] for listed in self._lists.values() for one in listed[:longest]]
        self._remember([*ids, *(item_id for _, plan in plans for item_id in plan.pinned)])

    def lists_of(
        self, user_id: str, plan: MailPlan
    ) -> tuple[dict[ListKind, Sequence[Item]], dict[str, Item]]:
        """Returns the items by kind that a loaded plan wants, and those that its rules pin."""
        lists: dict[ListKind, Sequence[Item]] = {}
        for kind, n in plan.wanted.items():
            found = next(
                (
                    listed
                    for address in _addresses(kind, user_id, plan)
                    if (listed := self._lists.get(address))
                ),
                [],
            )
            lists[kind] = [{**self._items.get(one[ITEM_ID], {}), **one} for one in found[:n]]
        catalogue: dict[str, Item] = {
            item_id: {**self._items[item_id], ITEM_ID: item_id}
            for item_id in plan.pinned
            if self._items.get(item_id)
        }
        return lists, catalogue

    def _remember(self, ids: Iterable[str]) -> None:
        unknown = [one for one in dict.fromkeys(ids) if one not in self._items]
        records = self._store.get_many([(ITEMS, one) for one in unknown]) if unknown else []
        for item_id, record in zip(unknown, records, strict=True):
            self._items[item_id] = json.loads(record) if record else {}
        # Of this group all stay, however many they are.
        while len(self._items) > MOST_ITEMS + len(unknown):
            self._items.popitem(last=False)


def _addresses(kind: ListKind, user_id: str, plan: MailPlan) -> list[Address]:
    """Where a list may stand, the first that is there counts; popular ones take its place."""
    if kind == "similar":
        in_view = plan.facts.context.get("in_view")
        return [(SIMILAR, in_view)] if in_view else []
    own: list[Address] = [(f"{LISTS}{kind}", user_id)] if kind in LIST_KINDS else []
    popular = [(POPULAR, scope) for scope in _scopes(plan.facts)]
    return [*own, *(popular if kind in FALLS_BACK or not own else ())]


def _scopes(facts: Facts) -> list[str]:
    """What is popular in a person's segments, then in their country, then in the shop."""
    if not facts.may_personalise:
        return [GLOBAL]
    return popular_scopes(sorted(facts.segments), facts.attributes.get("country"))
