"""What comes next in a session: the session model of the version that is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from sparkperso.core.columns import ITEM_ID, RANK
from sparkperso.services.serve.engine.catalogue import Catalogue
from sparkperso.services.serve.engine.people import Person
from sparkperso.services.serve.engine.requests import ListRequest
from sparkperso.services.serve.engine.store_access import StoreAccess
from sparkperso.services.stores.records import make_list

if TYPE_CHECKING:
    pass

HEAD = b'"strategy":"session_knn"'


class NextItems:
    """Makes lists for sessions, of known people and of visitors alike."""

    def __init__(self, store: StoreAccess, catalogue: Catalogue) -> None:
        self._store, self._catalogue = store, catalogue

    async def record(self, request: ListRequest, person: Person, n: int) -> bytes | None:
        """Returns up to n items for what was looked at last, as lists are stored; None without any.

        None of them is one that the request leaves out, or that was seen a moment ago.
        What the request names goes after what the collector wrote of a moment ago: it is later.
        """
        version = self._store.reader.version
        model = version.session_model() if version else None
        named = request.context.get("recent", ())
        recent = [*(one for one in person.recent if one not in named), *named]
        if request.in_view is not None:
            recent = [*(one for one in recent if one != request.in_view), request.in_view]
        if model is None or not recent:
            return None
        found = model.next_items(recent, n, request.own_items.union(recent))
        if not found:
            return None
        known = await self._catalogue.items(item_id for item_id, _ in found)
        items = []
        for rank, (item_id, score) in enumerate(found, 1):
            one = {RANK: rank, ITEM_ID: item_id, "score": score, "reason": "session"}
            title = known[item_id].get("title")
            items.append(orjson.dumps({**one, "title": title} if title else one))
        return make_list(HEAD, items)
