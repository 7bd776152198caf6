"""The session model by item_id: what gold/session_index says comes next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparkperso.config.recommend.sessions import SessionKnnParams
from sparkperso.recommend.arrays.item_ids import ItemIds, item_ids_of
from sparkperso.recommend.arrays.session_events import events_of
from sparkperso.recommend.arrays.session_index import SessionIndex
from sparkperso.recommend.models.vmis_knn import SessionKnn, fit

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("session_id", "items", "ended_at")
"""Of gold/session_index: what the model is made of."""
TEXT, STARTS = "item_text", "item_starts"
"""Names of the arrays of the ids, beside those of the index."""


@dataclass(frozen=True)
class SessionModel:
    """Says what comes next; may be called by several threads at the same time."""

    model: SessionKnn
    ids: ItemIds
    """item_id of each place in the catalogue."""

    def next_items(
        self, recent: Sequence[str], n: int, exclude: Collection[str] = ()
    ) -> list[tuple[str, float]]:
        """Returns up to n (item_id, score), best first, that may follow these, the latest last.

        None of them is the last item, or one of `exclude`. Items that no recent session holds take
        a place in the session and say nothing. Of `recent` the latest `max_items` are looked at,
        so that the work is bounded, whatever is sent.
        """
        latest = recent[-self.model.params.max_items :]
        places = np.array([self.ids.place_of(item) for item in latest], dtype=np.int64)
        n, excluded = min(max(n, 0), len(self.ids)), frozenset(exclude)
        found = self.model.next_items(places, n + len(excluded))
        scored = zip(map(self.ids.__getitem__, found.items), found.scores.tolist(), strict=True)
        return list(islice((one for one in scored if one[0] not in excluded), n))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Returns all that the model holds but its settings, by name."""
        return {**self.model.index.arrays(), TEXT: self.ids.text, STARTS: self.ids.starts}


def load_session_model(
    params: SessionKnnParams, arrays: Mapping[str, npt.NDArray[Any]]
) -> SessionModel:
    """Returns the model of these settings that gave these arrays (`SessionModel.arrays`).

    Nothing is copied. Raises KeyError where one is missing.
    """
    names = SessionIndex.__dataclass_fields__
    index = SessionIndex(**{name: arrays[name] for name in names})
    return SessionModel(SessionKnn(params, index), ItemIds(arrays[TEXT], arrays[STARTS]))


def session_model(table: pa.Table, params: SessionKnnParams) -> SessionModel:
    """Returns the model of the `max_sessions` latest sessions of gold/session_index (`COLUMNS`)."""
    import pyarrow.compute as pc

    order = pc.sort_indices(table.select(["ended_at", "session_id"]), _OLDEST_FIRST)
    latest = order[max(len(order) - params.max_sessions, 0) :]
    events = events_of(table.column("items").take(latest))
    item_ids = events.item_ids()
    return SessionModel(fit(params, events.on(item_ids)), item_ids_of(item_ids.tolist()))


_OLDEST_FIRST = [("ended_at", "ascending"), ("session_id", "ascending")]
