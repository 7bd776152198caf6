"""The tables of fitted models: the rows of a version are written once, and read as registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparkperso.core.errors import JobError
from sparkperso.pipeline.job import Job

if TYPE_CHECKING:
    from sparkperso.platform.tracking import ModelVersion

Rows = TypeVar("Rows")
HASH = "hash of the row"
MODEL_ARRAYS, ITEM_INDEX = "gold/model_arrays", "gold/item_index"
USER_FACTORS, ITEM_FACTORS = "gold/als_user_factors", "gold/als_item_factors"


def write_once(job: Job, table: str, model_version: str, rows: DataFrame) -> None:
    """Adds a model version's rows in one commit; where it has some already, nothing is written.

    The version is a hash of all that its rows depend on, so those are the same. Raises
    WriteConflictError when another run wrote them at the same moment.
    """
    writer = job.writer(table)
    is_new = not writer.ref.exists()
    writer.create()
    if is_new or job.lake.ref(table).read().where(_of(model_version)).isEmpty():
        named = rows.select(F.lit(model_version).alias("model_version"), "*")
        writer.overwrite(named, where=f"model_version = '{model_version}'")


def digest_of(rows: DataFrame) -> str:
    """Returns `<rows>-<hash of their content>`, whatever their order and partitions."""
    return digests_of({"rows": rows})["rows"]


def digests_of(frames: Mapping[str, DataFrame]) -> dict[str, str]:
    """Returns `digest_of` each frame, from one query."""
    hashed = [
        rows.select(F.lit(name).alias("name"), F.xxhash64(*sorted(rows.columns)).alias("hash"))
        for name, rows in frames.items()
    ]
    every = reduce(DataFrame.unionByName, hashed).groupBy("name")
    # XOR, unlike a sum, neither depends on the order nor overflows.
    rows = every.agg(F.count(F.lit(1)).alias("n"), F.bit_xor("hash").alias("mixed")).collect()
    figures = {row["name"]: (row["n"], row["mixed"] % 2**64) for row in rows}
    return {name: "{}-{:016x}".format(*figures.get(name, (0, 0))) for name in frames}


def model_rows(rows: DataFrame, table: str, model_version: str, n_items: int) -> DataFrame:
    """Returns the rows of a table that belong to a model version of so many items.

    An index has no versions: ids are only ever appended, so a model knows its first `n_items`.
    """
    if table == ITEM_INDEX:
        return rows.where(F.col("item_index") < n_items)
    return rows.where(_of(model_version))


def read_registered(job: Job, version: ModelVersion, table: str) -> DataFrame:
    """Returns a registered version's rows of a table, as they were when it was registered.

    They are read at the Delta version that its document pins. Delta drops old ones after a month;
    then the newest is read, where these rows are still the same. Raises JobError where they are not
    those that were registered, by the digest in the document.
    """
    return _registered(job, version, table, lambda rows: (rows, digest_of(rows)))


def collect_registered(job: Job, version: ModelVersion, table: str) -> pa.Table:
    """Returns the rows of `read_registered` in memory: one query reads and checks them.

    Only for tables that are item-sized.
    """
    return _registered(job, version, table, _collected)


def _collected(rows: DataFrame) -> tuple[pa.Table, str]:
    """The rows in memory, and their `digest_of`."""
    mixed = F.xxhash64(*sorted(rows.columns)).alias(HASH)
    table = rows.select("*", mixed).toArrow()
    hashes = table.column(HASH).to_numpy()
    total = int(np.bitwise_xor.reduce(hashes)) if len(hashes) else 0
    return table.drop_columns([HASH]), f"{len(hashes)}-{total % 2**64:016x}"


def _registered(
    job: Job,
    version: ModelVersion,
    table: str,
    with_digest: Callable[[DataFrame], tuple[Rows, str]],
) -> Rows:
    document = version.document
    named, n_items = document["model_version"], document["n_items"]
    pinned, digest = document["tables"].get(table), document.get("digests", {}).get(table)
    newest = job.lake.ref(table).version()
    why = "There is no such table"
    candidates = (pinned, newest) if newest is not None else ()
    numbers = list(dict.fromkeys(n for n in candidates if n is not None))
    # Without a digest, as older code registered, nothing vouches for another than the pinned.
    for number in numbers if digest else numbers[:1]:
        try:
            rows = model_rows(job.lake.ref(table).read(number), table, named, n_items)
            registered, own = with_digest(rows)
            if own == digest or digest is None:
                return registered
            why = f"At Delta version {number} they are others"
        except (PySparkException, Py4JJavaError) as error:
            why = f"Delta version {number} cannot be read: {str(error).strip().splitlines()[0]}"
    raise JobError(
        f"{table} should hold the rows of model {version.version} as they were registered",
        why,
        "Run 'sparkperso train-recommender' and 'sparkperso promote-model', or return to the "
        "champion before with 'sparkperso promote-model --rollback'",
    )


def _of(model_version: str) -> Column:
    return F.col("model_version") == model_version
