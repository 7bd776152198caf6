"""Segments: what each is like, how they hang together, who went from where to where."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sparkperso.services.dashboard.queries.lake import LakeTables, Row, literal, one_of

PROFILES, MEMBERS, HISTORY = "gold/segment_profiles", "gold/segments", "gold/segment_history"
NOWHERE = "no segment"
COLUMNS = (
    *("segment_id", "segmentation", "kind", "label", "sentence", "size", "share", "centre"),
    *("centre_scaled", "distinguishing", "parent_id", "value", "previous_size", "lifts", "as_of"),
)


def segmentations(lake: LakeTables) -> list[str]:
    """Returns the names of segmentations; raises AbsentTable."""
    text = "SELECT DISTINCT segmentation AS s FROM p ORDER BY s"
    return [row["s"] for row in lake.rows(text, p=PROFILES)]


def profiles(lake: LakeTables, segmentation: str) -> list[Row]:
    """Returns the segments of a segmentation, the largest first; raises AbsentTable.

    Members are not among the columns: no page names who is in a segment.
    """
    where = f"segmentation = {literal(segmentation)}"
    return lake.select(PROFILES, COLUMNS, where, "size DESC, segment_id")


def merges(rows: Sequence[Row]) -> list[list[float]]:
    """Returns SciPy's linkage (Ward) of the segments' scaled centres, in their order.

    None for fewer than two segments, and for those without centres.
    """
    centres = [row["centre_scaled"] or {} for row in rows]
    features = sorted(set().union(*centres)) if centres else []
    if len(rows) < 2 or not features:
        return []
    # Here: it takes longer to load than a page to make.
    from scipy.cluster.hierarchy import linkage

    points = [[_finite(centre.get(name)) for name in features] for centre in centres]
    found: list[list[float]] = linkage(points, method="ward").tolist()
    return found


def _finite(value: float | None) -> float:
    """Returns a coordinate; 0, the mean of all, in the place of what is no number."""
    return value if value is not None and math.isfinite(value) else 0.0


def changes(lake: LakeTables, segmentation: str, parents: Sequence[str] = ()) -> list[Row]:
    """Returns how many went from which segment to which at the latest time that anybody moved.

    One row per (before, now), by label; `no segment` where somebody came or went. The first time
    of a segmentation, at which everybody comes, is none. `parents` are segments that are left out,
    since others are parts of them. Raises AbsentTable.
    """
    finest = f" AND segment_id NOT IN {one_of(parents)}" if parents else ""
    where = f"segmentation = {literal(segmentation)}{finest}"
    text = (
        f"WITH h AS (SELECT user_id, label, change, as_of FROM t WHERE {where}), "
        "m AS (SELECT max(as_of) AS at FROM h WHERE change = 'left'), "
        "a AS (SELECT user_id, label FROM h JOIN m ON h.as_of = m.at WHERE change = 'left'), "
        "b AS (SELECT user_id, label FROM h JOIN m ON h.as_of = m.at WHERE change = 'entered') "
        f"SELECT coalesce(a.label, '{NOWHERE}') AS before, coalesce(b.label, '{NOWHERE}') AS now, "
        "count(*) AS n, (SELECT at FROM m) AS as_of FROM a FULL JOIN b ON a.user_id = b.user_id "
        "GROUP BY 1, 2 ORDER BY n DESC, before, now"
    )
    return lake.rows(text, t=HISTORY)


def overlaps(lake: LakeTables, one: Sequence[str], other: Sequence[str]) -> list[Row]:
    """Returns how many users are in which of some segments and in which of others.

    One row per (segment of the first, segment of the second), by label. Raises AbsentTable.
    """
    if not one or not other:
        return []
    text = (
        "SELECT a.label AS before, b.label AS now, count(*) AS n FROM t a JOIN t b "
        f"ON a.user_id = b.user_id WHERE a.segment_id IN {one_of(one)} "
        f"AND b.segment_id IN {one_of(other)} GROUP BY 1, 2 ORDER BY n DESC, before, now"
    )
    return lake.rows(text, t=MEMBERS)
