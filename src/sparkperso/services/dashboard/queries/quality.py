"""What became of records, and which table was made of which."""

from __future__ import annotations

from sparkperso.services.dashboard.queries.lake import LakeTables, Row

QUALITY, QUARANTINE, LINEAGE = "ops/data_quality", "silver/quarantine", "ops/lineage"
OUTCOMES = ("received", "valid", "quarantined", "duplicates", "refused")


def intakes(lake: LakeTables, limit: int) -> list[Row]:
    """Returns the latest runs that took records in: received and what became of them.

    One row per run and source. Raises AbsentTable.
    """
    sums = ", ".join(
        f"coalesce(sum(n_records) FILTER (WHERE rule = '{rule}'), 0) AS {rule}" for rule in OUTCOMES
    )
    text = (
        f"SELECT run_id, source, max(received_at) AS received_at, {sums} FROM t "
        f"GROUP BY run_id, source ORDER BY received_at DESC, source LIMIT {limit}"
    )
    return lake.rows(text, t=QUALITY)


def totals(lake: LakeTables) -> list[Row]:
    """Returns the same for each source over all runs; raises AbsentTable."""
    sums = ", ".join(
        f"coalesce(sum(n_records) FILTER (WHERE rule = '{rule}'), 0) AS {rule}" for rule in OUTCOMES
    )
    text = f"SELECT source, {sums} FROM t GROUP BY source ORDER BY source"
    return lake.rows(text, t=QUALITY)


def broken_rules(lake: LakeTables) -> list[Row]:
    """Returns how many records broke which rule, by source, the most first; raises AbsentTable."""
    text = (
        "SELECT source, rule, sum(n_records) AS n FROM t WHERE rule LIKE 'rule:%' "
        "OR rule LIKE 'refused:%' GROUP BY source, rule ORDER BY n DESC, source, rule"
    )
    return lake.rows(text, t=QUALITY)


def quarantined(lake: LakeTables) -> list[Row]:
    """Returns what waits in quarantine, by source and reason: its code alone, no record.

    A record with several reasons counts once for each. Raises AbsentTable.
    """
    text = (
        "SELECT source, code, count(DISTINCT record_id) AS n, "
        "count(DISTINCT record_id) FILTER (WHERE recoverable) AS recoverable, "
        "count(DISTINCT record_id) FILTER (WHERE replayed_at IS NOT NULL) AS replayed, "
        "max(received_at) AS latest FROM (SELECT record_id, source, recoverable, replayed_at, "
        "received_at, unnest(reasons)['code'] AS code FROM t) "
        "GROUP BY source, code ORDER BY n DESC, source, code"
    )
    return lake.rows(text, t=QUARANTINE)


def edges(lake: LakeTables) -> list[Row]:
    """Returns what each job's latest run read and wrote; raises AbsentTable."""
    text = (
        "SELECT l.job, l.direction, l.table_name, l.delta_version FROM l JOIN (SELECT run_id FROM "
        "(SELECT run_id, row_number() OVER (PARTITION BY job ORDER BY started_at DESC, run_id) "
        "AS place FROM r) WHERE place = 1) r ON l.run_id = r.run_id "
        "ORDER BY l.job, l.direction, l.table_name"
    )
    return lake.rows(text, l=LINEAGE, r="ops/runs")
