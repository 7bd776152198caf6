"""What is kept is worked out once, and let go at the end, also when something fails."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from sparkperso.platform.frames import Keeper
from sparkperso.testing.plans import kept_frames


def random_rows(spark):
    """Rows that come out differently whenever they are worked out."""
    return spark.range(20).select(F.expr("uuid()").alias("id"))


def ids(frame):
    return sorted(row.id for row in frame.collect())


@pytest.mark.parametrize("keep", [Keeper.cached, Keeper.pinned], ids=lambda way: way.__name__)
def test_a_kept_frame_is_worked_out_once_and_let_go(spark, keep):
    before = kept_frames(spark)
    with Keeper() as keeper:
        kept = keep(keeper, random_rows(spark))
        assert ids(kept) == ids(kept)
        assert len(kept_frames(spark) - before) == 1
    assert kept_frames(spark) <= before


@pytest.mark.parametrize("keep", [Keeper.cached, Keeper.pinned], ids=lambda way: way.__name__)
def test_a_failure_lets_go_of_all_that_was_kept(spark, keep):
    before = kept_frames(spark)

    def work():
        with Keeper() as keeper:
            for _ in range(3):
                keep(keeper, random_rows(spark)).count()
            assert len(kept_frames(spark) - before) == 3
            raise ValueError("amid the work")

    with pytest.raises(ValueError, match="amid the work"):
        work()
    assert kept_frames(spark) <= before


def test_a_broadcast_is_read_in_tasks_and_destroyed_at_the_end(spark):
    with Keeper() as keeper:
        sent = keeper.broadcast(spark, {"a": 7})
        assert spark.sparkContext.parallelize([1, 2]).map(lambda n: sent.value["a"] * n).sum() == 21
    with pytest.raises(Exception, match="destroy"):
        spark.sparkContext.parallelize([1]).map(lambda n: sent.value["a"]).collect()
