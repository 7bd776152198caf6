"""What is known of the items, in memory: item-sized, so it may travel to every task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Texts = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Catalogue:
    """Items by position; all arrays have one entry per item."""

    ids: Texts
    """item_id; the position of an item is its gold/item_index."""
    texts: Texts
    """Title and tags as one text, '' where unknown."""
    categories: Texts
    """Category, '' where unknown."""
    prices: Floats
    """Price in the shop's currency, NaN where unknown."""
    attributes: tuple[Mapping[str, str], ...] = ()
    """What else is known of each item, for rules of eligibility; () when nothing is."""

    def __len__(self) -> int:
        """Returns the number of items."""
        return len(self.ids)
