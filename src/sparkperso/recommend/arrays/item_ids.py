"""The ids of a catalogue as two arrays, which may be mapped from a file: no id is an object."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sparkperso.recommend.arrays.numbers import Ints

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ItemIds:
    """The item_id of each place in a catalogue; different ones, growing."""

    text: Bytes
    """All ids as UTF-8, one after the other."""
    starts: Ints
    """Where each begins, and the end (items + 1,)."""

    def __len__(self) -> int:
        """Returns the number of items."""
        return len(self.starts) - 1

    def __getitem__(self, place: int) -> str:
        """Returns the id at a place."""
        return self._name_at(place).decode("utf-8", "surrogatepass")

    def place_of(self, item_id: str) -> int:
        """Returns the place of an id, -1 for one that is not there, by halving."""
        name = _utf8(item_id)
        place = bisect_left(range(len(self)), name, key=self._name_at)
        return place if place < len(self) and self._name_at(place) == name else -1

    def _name_at(self, place: int) -> bytes:
        text, starts = self._views
        return bytes(text[starts[place] : starts[place + 1]])

    @cached_property
    def _views(self) -> tuple[memoryview, memoryview]:
        """The arrays as Python reads single values of them, in a third of NumPy's time."""
        return self.text.data, self.starts.data


def item_ids_of(ids: Sequence[str]) -> ItemIds:
    """Returns ids, which grow and are different ones, as arrays.

    The order of texts is that of their UTF-8.
    """
    names = [_utf8(item_id) for item_id in ids]
    lengths = np.fromiter(map(len, names), np.int64, len(names))
    return ItemIds(
        np.frombuffer(b"".join(names), dtype=np.uint8),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def _utf8(item_id: str) -> bytes:
    # Half of a pair, which no text of Spark's has, may be asked for: it is looked up and not found.
    return item_id.encode("utf-8", "surrogatepass")
