"""What is known of items: title, category, tags and price, kept in memory as they are asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from sparkperso.core.columns import ITEM_ID
from sparkperso.services.serve.engine.store_access import StoreAccess, StoreUnavailable
from sparkperso.services.stores.manifest import Manifest
from sparkperso.services.stores.records import ITEMS

Item = Mapping[str, Any]
"""item_id; title, category, tags, price and attributes where they are known."""
MOST_ITEMS = 50_000
"""Items that are kept: about 50 MB; those that were asked for last stay."""


class Catalogue:
    """The items of the version that is read."""

    def __init__(self, store: StoreAccess, size: int = MOST_ITEMS) -> None:
        self._store, self._size = store, size
        self._known: OrderedDict[str, Item] = OrderedDict()
        self._version: str | None = None
        self.hits = self.misses = 0
        """Items that were asked for and were in memory; those that were not."""
        store.on_version(self._forget)

    async def items(self, ids: Iterable[str]) -> dict[str, Item]:
        """Returns item_id → item, for ids that nothing is known of with the id alone.

        Where the store does not answer, what is in memory counts.
        """
        wanted = dict.fromkeys(ids)
        missing = [item_id for item_id in wanted if item_id not in self._known]
        self.hits += len(wanted) - len(missing)
        self.misses += len(missing)
        if missing:
            await self._read(missing)
        found: dict[str, Item] = {}
        for item_id in wanted:
            item = self._known.get(item_id)
            if item is not None:
                self._known.move_to_end(item_id)
            found[item_id] = item or {ITEM_ID: item_id}
        while len(self._known) > self._size:
            self._known.popitem(last=False)
        return found

    async def _read(self, ids: list[str]) -> None:
        try:
            records = await self._store.get_many([(ITEMS, item_id) for item_id in ids])
        except StoreUnavailable:
            return
        for item_id, record in zip(ids, records, strict=True):
            # Unknown ones are not kept: a sender may name any number of them.
            if record is not None:
                self._known[item_id] = {ITEM_ID: item_id, **orjson.loads(record)}

    def _forget(self, manifest: Manifest) -> None:
        if manifest.name != self._version:
            self._version = manifest.name
            self._known.clear()
