"""The session model by item_id: what gold/session_index says comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sparkperso.config.recommend.sessions import SessionKnnParams
from sparkperso.recommend.arrays.histories import Texts
from sparkperso.recommend.arrays.session_events import events_of
from sparkperso.recommend.models.vmis_knn import SessionKnn, fit

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("session_id", "items", "ended_at")
"""Of gold/session_index: what the model is made of."""


@dataclass(frozen=True)
class SessionModel:
    """Says what comes next; may be called by several threads at the same time."""

    model: SessionKnn
    item_ids: Texts
    """item_id of each place in the catalogue."""
    places: dict[str, int]

    def next_items(self, recent: Sequence[str], n: int) -> list[tuple[str, float]]:
        """Returns up to n (item_id, score), best first, that may follow these, the latest last.

        None of them is the last item. Items that no recent session holds take a place in the
        session and say nothing.
        """
        places = np.array([self.places.get(item, -1) for item in recent], dtype=np.int64)
        found = self.model.next_items(places, n)
        return list(zip(self.item_ids[found.items], found.scores.tolist(), strict=True))


def session_model(table: pa.Table, params: SessionKnnParams) -> SessionModel:
    """Returns the model of the `max_sessions` latest sessions of gold/session_index (`COLUMNS`)."""
    import pyarrow.compute as pc

    order = pc.sort_indices(table.select(["ended_at", "session_id"]), _OLDEST_FIRST)
    latest = order[max(len(order) - params.max_sessions, 0) :]
    events = events_of(table.column("items").take(latest))
    item_ids = events.item_ids()
    places = {item: place for place, item in enumerate(item_ids)}
    return SessionModel(fit(params, events.on(item_ids)), item_ids, places)


_OLDEST_FIRST = [("ended_at", "ascending"), ("session_id", "ascending")]
