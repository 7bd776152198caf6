"""Lists of the models that were fitted for the test, for people who were shown others meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from sparkperso.core.columns import ITEM_ID, USER_ID
from sparkperso.platform.driver_rows import arrow_frame
from sparkperso.platform.frames import keep_broadcast
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.arrays.histories import Histories, read_histories
from sparkperso.recommend.data.prepared_fold import PreparedFold
from sparkperso.recommend.data.user_histories import n_history
from sparkperso.recommend.fit.driver_folds import DriverFold
from sparkperso.recommend.lists.batch_scoring import INPUT
from sparkperso.recommend.models.base import Fitted
from sparkperso.recommend.scoring.lister import Lister, make_lists
from sparkperso.recommend.scoring.top_n import Selection

if TYPE_CHECKING:
    from pyspark import Broadcast

MODEL, ITEMS = "model", "item_ids"
TESTED = f"{MODEL} string, {USER_ID} string, {ITEMS} array<string>"


@dataclass(frozen=True)
class TestedModels:
    """The models of the test: fitted on what was known at its cut, and on nothing later."""

    models: Mapping[str, Fitted]
    winner: str
    """The name of the one that the folds chose."""
    test: PreparedFold | DriverFold
    catalogue: Catalogue
    fallback: str
    """The name of the one that fills what a list lacks, as it does in use."""

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The cut, up to which models learned, and the end of the test."""
        return self.test.fold.training.as_of, self.test.fold.ends_at

    def lists_of(self, users: DataFrame) -> DataFrame:
        """Returns model, user_id, item_ids: the list of each model for each user, best first.

        `users` has a row per user_id. Users without a history at the cut have none. Lists have the
        test's length, and hold what the test's may: items known at the cut that the user had not.
        """
        select = Selection(self.test.k, self.test.allowed)
        fallback = self.models.get(self.fallback)
        listers = {
            name: Lister(model, name, self.catalogue, select, fallback)
            for name, model in self.models.items()
        }
        spark = users.sparkSession
        if isinstance(self.test, DriverFold):
            known = self.test.in_memory.users
            known = known.take(np.flatnonzero(known.lengths > 0))
            # As many as the fold holds at most, whoever was shown something.
            here = arrow_frame(spark, pa.table({USER_ID: pa.array(known.ids, pa.string())}))
            wanted = here.join(users.select(USER_ID), USER_ID, how="left_semi").toArrow()
            is_wanted = pc.is_in(pa.array(known.ids, pa.string()), wanted.column(USER_ID))
            rows = np.flatnonzero(is_wanted.to_numpy(zero_copy_only=False))
            return arrow_frame(spark, tested_table(listers, known.take(rows)), TESTED)
        profiles = self.test.profiles.join(users.select(USER_ID), USER_ID, how="left_semi")
        warm = profiles.where(n_history() > 0).select(*INPUT)
        held = keep_broadcast(spark, listers)
        return warm.mapInArrow(_tested(held), TESTED)


def tested_table(listers: Mapping[str, Lister], users: Histories) -> pa.Table:
    """Returns model, user_id, item_ids of users in memory; whoever has no list has no row."""
    return pa.concat_tables(
        [_by_user(name, make_lists(one, users)) for name, one in listers.items()]
    )


def _tested(
    held: Broadcast[dict[str, Lister]],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def tested(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        listers = held.value
        n_items = len(next(iter(listers.values())).catalogue)
        for batch in batches:
            users = read_histories(pa.Table.from_batches([batch]), n_items)
            yield from tested_table(listers, users).combine_chunks().to_batches()

    return tested


def _by_user(model: str, lists: pa.Table) -> pa.Table:
    """Returns a row per user of lists that have a row per place, in order of user and rank."""
    users = lists.column(USER_ID).to_numpy()
    is_first = np.ones(len(users), dtype=bool)
    is_first[1:] = users[1:] != users[:-1]
    starts = np.flatnonzero(is_first)
    offsets = pa.array(np.append(starts, len(users)), pa.int32())
    items = lists.column(ITEM_ID).combine_chunks()
    return pa.table(
        {
            MODEL: pa.array([model] * len(starts), pa.string()),
            USER_ID: pa.array(users[starts], pa.string()),
            ITEMS: pa.ListArray.from_arrays(offsets, items),
        }
    )
