"""Short lists of keys that a wide frame is held against, so that it is never shuffled itself."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

MAX_BROADCAST_KEYS = 1_000_000
NUMBER = "record_number"


def maybe_broadcast(keys: DataFrame, count: int) -> DataFrame:
    """Keys are eight bytes; above the bound both sides are shuffled, narrow, instead."""
    return F.broadcast(keys) if count <= MAX_BROADCAST_KEYS else keys
