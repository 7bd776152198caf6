"""What a lake knows of users now, as models take it: read without Spark, a few users at a time.

A registered model holds nothing per user, so that whoever asks to be forgotten is forgotten in the
tables alone. Whose lists are asked for by id, their history is looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix

from sparkperso.core.columns import ITEM_ID, STRENGTH, USER_ID
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.recommend.arrays.catalogue import Texts
from sparkperso.recommend.arrays.histories import Histories
from sparkperso.users.facts import BIRTH_YEAR, COUNTRY, DECADE

INTERACTIONS, PROFILES = "gold/interactions", "gold/profiles"


class KnownUsers:
    """Histories from gold/interactions and attributes from gold/profiles, at their latest version.

    Of a lake without profiles no attributes are known. Ages of pairs are 0: no score depends on
    them.
    """

    def __init__(self, reader: LakeReader, items: Texts) -> None:
        self._reader, self._items = reader, pa.array(items, pa.string())

    def histories(self, user_ids: Sequence[str]) -> Histories:
        """Returns the users in the order given; one that the lake does not know has no history.

        Raises UsageError before the first build-features.
        """
        ids = pa.array(user_ids, pa.string())
        pairs = self._pairs(ids)
        shape = (len(ids), len(self._items))
        return Histories(
            np.asarray(user_ids, dtype=object),
            csr_matrix((pairs["strengths"], (pairs["rows"], pairs["items"])), shape=shape),
            np.zeros(len(pairs["rows"]), dtype=np.float32),
            self._attributes(ids),
        )

    def _pairs(self, ids: pa.Array) -> dict[str, np.ndarray]:
        table = self._interactions.to_table(
            columns=[USER_ID, ITEM_ID, STRENGTH], filter=pc.field(USER_ID).isin(ids)
        )
        places = pc.index_in(table.column(ITEM_ID), self._items)
        # An item that came after the training has no position.
        is_known = places.is_valid()
        rows = pc.index_in(table.column(USER_ID), ids).filter(is_known)
        return {
            "rows": rows.to_numpy(),
            "items": places.filter(is_known).to_numpy(),
            "strengths": table.column(STRENGTH).filter(is_known).to_numpy().astype(np.float32),
        }

    def _attributes(self, ids: pa.Array) -> tuple[tuple[str, ...], ...]:
        if self._profiles is None:
            return ((),) * len(ids)
        table = self._profiles.to_table(
            columns=[USER_ID, BIRTH_YEAR, COUNTRY, "attributes"],
            filter=pc.field(USER_ID).isin(ids),
        )
        known = {row[USER_ID]: tokens_of(row) for row in table.to_pylist()}
        return tuple(known.get(user, ()) for user in ids.to_pylist())

    @cached_property
    def _interactions(self) -> Any:
        return self._reader.require(INTERACTIONS).to_pyarrow_dataset()

    @cached_property
    def _profiles(self) -> Any:
        opened = self._reader.open(PROFILES)
        return None if opened is None else opened.to_pyarrow_dataset()


def tokens_of(profile: dict[str, Any]) -> tuple[str, ...]:
    """Returns what a row of gold/profiles tells of a user as `name=value`, in order.

    The year of birth is there twice: `born` is its decade, for models.

    >>> tokens_of({"country": "GB", "birth_year": 1994, "attributes": [("plan", "gold")]})
    ('birth_year=1994', 'born=1990', 'country=GB', 'plan=gold')
    """
    year, country = profile[BIRTH_YEAR], profile[COUNTRY]
    own = {COUNTRY: country, BIRTH_YEAR: year, DECADE: year and year // 10 * 10}
    values = dict(profile["attributes"] or ()) | own
    return tuple(sorted(f"{name}={value}" for name, value in values.items() if value is not None))
