"""Sessions as Arrow has them, a row each, and as places in a catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sparkperso.recommend.arrays.numbers import Ints, Texts
from sparkperso.recommend.arrays.session_index import Sessions

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SessionEvents:
    """Sessions in the order of their rows, the oldest first."""

    items: pa.DictionaryArray
    """item_id of each event, session after session, as they came."""
    indptr: Ints
    """Where each session begins, and the end (sessions + 1,)."""

    def __len__(self) -> int:
        """Returns the number of sessions."""
        return len(self.indptr) - 1

    def item_ids(self) -> Texts:
        """Returns the ids of all items, sorted."""
        return np.sort(np.asarray(self.items.dictionary.to_pylist(), dtype=object))

    def on(self, catalogue: Texts) -> Sessions:
        """Returns the sessions with items as places in a sorted catalogue, -1 for others."""
        own = np.asarray(self.items.dictionary.to_pylist(), dtype=object)
        places = np.searchsorted(catalogue, own)
        found = np.minimum(places, max(len(catalogue) - 1, 0))
        is_known = (catalogue[found] == own) if len(catalogue) else np.zeros(len(own), bool)
        known = np.where(is_known, found, -1).astype(np.int32)
        codes = self.items.indices.to_numpy(zero_copy_only=False)
        return Sessions(known[codes], self.indptr, len(catalogue))


def events_of(items: pa.ChunkedArray) -> SessionEvents:
    """Returns the sessions of a column of lists of item_id, in the order of its rows."""
    import pyarrow.compute as pc

    of_sessions = items.combine_chunks()
    lengths = of_sessions.value_lengths().to_numpy(zero_copy_only=False)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return SessionEvents(pc.dictionary_encode(of_sessions.flatten()), indptr)
