"""Data quality and lineage: what became of records, what waits, what comes from what."""

from __future__ import annotations

from sparkperso.services.dashboard.page import Column, Page, Query, Section, Table, share
from sparkperso.services.dashboard.pages.absent import shown_or_absent
from sparkperso.services.dashboard.plots.bars import Bar, bars
from sparkperso.services.dashboard.queries import quality as queries
from sparkperso.services.dashboard.queries.lake import Row
from sparkperso.services.dashboard.service import View


def page(view: View, _: Query) -> Page:
    """Returns the page."""
    return Page(
        "quality",
        "Data quality",
        "Received = valid + quarantined + duplicates + refused, for every run; and which table is "
        "made of which.",
        [
            shown_or_absent("Records by source", lambda: _sources(view)),
            shown_or_absent("Quarantine", lambda: _quarantine(view)),
            shown_or_absent("Rules that records broke", lambda: _rules(view)),
            shown_or_absent("Intakes", lambda: _intakes(view)),
            shown_or_absent("Lineage", lambda: _lineage(view)),
        ],
    )


COUNTS = [Column(name, name.capitalize(), "integer") for name in queries.OUTCOMES]


def _sources(view: View) -> Section:
    found = queries.totals(view.lake)
    rows = [
        (
            row["source"],
            *(row[name] for name in queries.OUTCOMES),
            share(row["valid"], row["received"]),
            "ok" if _is_whole(row) else "broken",
        )
        for row in found
    ]
    columns = [
        Column("source", "Source"),
        *COUNTS,
        Column("valid_share", "Valid", "percent"),
        Column("balance", "Balance", "status"),
    ]
    plot = bars(
        "Share of valid records by source",
        [Bar(row[0], row[6], f"{row[6]:.1%}") for row in rows if row[6] is not None],
    )
    table = Table("sources", "Records by source, over all runs", columns, rows)
    return Section("Records by source", plot=plot, table=table)


def _is_whole(row: Row) -> bool:
    """Says whether nothing was lost: received is the sum of the rest."""
    return bool(row["received"] == sum(row[name] for name in queries.OUTCOMES[1:]))


def _quarantine(view: View) -> Section:
    found = queries.quarantined(view.lake)
    if not found:
        return Section("Quarantine", "It is empty.")
    columns = [
        Column("source", "Source"),
        Column("code", "Reason"),
        Column("n", "Records", "integer"),
        Column("recoverable", "Recoverable", "integer"),
        Column("replayed", "Replayed", "integer"),
        Column("latest", "Latest", "time"),
    ]
    rows = [[row[column.name] for column in columns] for row in found]
    plot = bars(
        "Records in quarantine by reason",
        [Bar(f"{r['code']} ({r['source']})", r["n"], f"{r['n']:,}", 1) for r in found[:12]],
    )
    text = (
        "Codes alone: records may name persons. 'sparkperso tables show silver/quarantine' shows "
        "them to who may; 'sparkperso replay-quarantine' tries what is recoverable again."
    )
    table = Table("quarantine", "What waits, by source and reason", columns, rows)
    return Section("Quarantine", text, plot=plot, table=table)


def _rules(view: View) -> Section:
    found = queries.broken_rules(view.lake)
    if not found:
        return Section("Rules that records broke", "None was broken.")
    columns = [
        Column("source", "Source"),
        Column("rule", "Rule"),
        Column("n", "Records", "integer"),
    ]
    rows = [[row[column.name] for column in columns] for row in found]
    table = Table("rules", "Records by rule, over all runs", columns, rows)
    return Section("Rules that records broke", table=table)


def _intakes(view: View) -> Section:
    columns = [
        Column("received_at", "Taken in", "time"),
        Column("source", "Source"),
        *COUNTS,
        Column("run_id", "Run", "id"),
    ]
    found = queries.intakes(view.lake, view.settings.dashboard.max_export_rows)
    rows = [[row[column.name] for column in columns] for row in found]
    return Section("Intakes", table=Table("intakes", "Runs, the latest first", columns, rows))


def _lineage(view: View) -> Section:
    found = queries.edges(view.lake)
    columns = [
        Column("job", "Job"),
        Column("direction", "Direction"),
        Column("table_name", "Table"),
        Column("delta_version", "Version", "integer"),
    ]
    rows = [[row[column.name] for column in columns] for row in found]
    text = "What the last run of each job read and wrote, and at which version."
    return Section("Lineage", text, table=Table("lineage", "Inputs and outputs", columns, rows))
