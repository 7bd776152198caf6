"""What must hold of a version before it becomes current."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparkperso.core.columns import ITEM_ID, RANK, USER_ID
from sparkperso.core.errors import JobError, QualityGateError
from sparkperso.services.stores.base import VersionReader
from sparkperso.services.stores.manifest import Manifest
from sparkperso.services.stores.records import CANDIDATE_LISTS, LISTS, split_list


def require_written(counts: Mapping[str, int], manifest: Manifest) -> None:
    """Raises JobError unless the store has as many records as were written, by namespace."""
    stored = {namespace: n for namespace, n in manifest.counts.items() if n}
    if stored != dict(counts):
        raise JobError(
            "The serving store should have all records that were written",
            f"Written: {_text(counts)}; stored: {_text(stored)}",
            "Publish anew; on Redis see that it has memory and does not evict",
        )


def require_coverage(before: Mapping[str, int], now: Mapping[str, int], least: float) -> None:
    """Raises QualityGateError where less than `least` of a namespace's records is left.

    Or of the sessions: both are sizes of a manifest.
    """
    # A candidate's are there while an experiment asks for them.
    kept = {n: size for n, size in before.items() if not n.startswith(CANDIDATE_LISTS)}
    shares = {name: now.get(name, 0) / n for name, n in kept.items() if n}
    short = [name for name, share in sorted(shares.items()) if share < least]
    if short:
        found = [f"{name} {now.get(name, 0):,} after {before[name]:,}" for name in short]
        raise QualityGateError(
            f"A version should have at least {least:.0%} of the records and sessions of the one "
            "before (publish.min_coverage)",
            f"The new one has fewer: {', '.join(found)}. The version before stays current",
            "If so many should be gone, publish with --set publish.min_coverage=0",
        )


def require_same_lists(version: VersionReader, lists: DataFrame, n_users: int) -> int:
    """Reads the lists of some users back, and returns how many were compared with the table.

    `lists` are rows of gold/recommendations; users are chosen by a hash. Raises JobError for the
    first list that is another.
    """
    by_hash = [F.xxhash64(USER_ID), F.col(USER_ID)]
    firsts = lists.where(F.col(RANK) == 1).select(USER_ID).distinct()
    users = [row[0] for row in firsts.orderBy(*by_hash).limit(n_users).collect()]
    rows = lists.where(F.col(USER_ID).isin(users)).select("kind", USER_ID, RANK, ITEM_ID)
    expected: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for kind, user_id, rank, item_id in rows.orderBy("kind", USER_ID, RANK).collect():
        expected.setdefault((f"{LISTS}{kind}", user_id), []).append((rank, item_id))
    stored = version.get_many(list(expected)) if expected else []
    for (address, places), record in zip(expected.items(), stored, strict=True):
        if record is None or places != _places(record):
            raise JobError(
                f"The list of {address[1]!r} should be stored as it is in gold/recommendations",
                f"Found {'none' if record is None else 'another'} in '{address[0]}'",
                "Publish anew",
            )
    return len(expected)


def _places(record: bytes) -> Sequence[tuple[int, str]]:
    _, items = split_list(record)
    return [(item[RANK], item[ITEM_ID]) for item in json.loads(b"[%b]" % items)]


def _text(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items())) or "nothing"
