"""Lists of all users, by blocks: histories in, lists out.

A fitted model is item-sized and travels to every task; users come in blocks. A block is one matrix
product, so nothing like users × items is ever shuffled. What becomes of a block is
`scoring.lister.make_lists`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame

from sparkperso.core.columns import ITEM_ID, RANK, SCORE, USER_ID
from sparkperso.platform.frames import keep_broadcast
from sparkperso.recommend.scoring.lister import Lister, list_table

if TYPE_CHECKING:
    from pyspark import Broadcast

LISTS = (
    f"{USER_ID} string, {RANK} int, {ITEM_ID} string, {SCORE} double, strategy string, "
    "reason_item string, reason_share double, basis string"
)
INPUT = [USER_ID, "items", "strengths", "ages", "attributes"]


def list_frame(profiles: DataFrame, lister: Lister) -> DataFrame:
    """Returns user_id, rank, item_id, score, strategy, reason_item, reason_share, basis.

    One row per (user_id, rank), for the users of `profiles` (INPUT's columns) with any item to
    list; what the columns hold says `scoring.lister.make_lists`.
    """
    held = keep_broadcast(profiles.sparkSession, lister)
    return profiles.select(*INPUT).mapInArrow(_lists_of(held), LISTS)


def _lists_of(
    held: Broadcast[Lister],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def lists(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lister = held.value
        for batch in batches:
            yield from list_table(pa.Table.from_batches([batch]), lister).to_batches()

    return lists
