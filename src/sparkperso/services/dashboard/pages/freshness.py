"""How old every table and model is."""

from __future__ import annotations

from datetime import datetime

from sparkperso.services.dashboard.page import Column, Page, Query, Section, Table
from sparkperso.services.dashboard.plots.bars import Bar, bars
from sparkperso.services.dashboard.queries.freshness import model_ages, table_ages
from sparkperso.services.dashboard.render import size
from sparkperso.services.dashboard.service import View


def page(view: View, _: Query) -> Page:
    """Returns the page."""
    return Page(
        "freshness",
        "Freshness",
        "When each table was last written, how large it is, and how old the models are.",
        [_tables(view), _models(view)],
    )


def _tables(view: View) -> Section:
    ages = table_ages(view.lake)
    columns = [
        Column("table", "Table"),
        Column("written_at", "Last written", "time"),
        Column("age_seconds", "Age", "seconds"),
        Column("n_rows", "Rows", "integer"),
        Column("n_bytes", "Size", "bytes"),
        Column("version", "Version", "integer"),
        Column("writer", "Written by"),
    ]
    rows = [
        (
            age.table,
            age.written_at,
            _age(view, age.written_at),
            age.n_rows,
            age.n_bytes,
            age.version,
            age.writer,
        )
        for age in ages
    ]
    there = sorted((a for a in ages if a.n_bytes), key=lambda a: -(a.n_bytes or 0))[:12]
    plot = bars(
        "The largest tables",
        [Bar(a.table, float(a.n_bytes or 0), size(a.n_bytes or 0)) for a in there],
    )
    missing = sum(1 for age in ages if age.version is None)
    text = f"{missing} tables have not been written yet." if missing else ""
    return Section(
        "Tables", text, plot=plot, table=Table("tables", "Tables of the lake", columns, rows)
    )


def _models(view: View) -> Section:
    models = model_ages(view.lake)
    if not models:
        return Section(
            "Models",
            absent="There is no registry in this lake. It begins with: sparkperso build-segments, "
            "sparkperso train-recommender; a registry elsewhere (tracking.uri) has its own pages",
        )
    columns = [
        Column("model", "Model"),
        Column("version", "Version"),
        Column("aliases", "Aliases"),
        Column("created_at", "Registered", "time"),
        Column("age_seconds", "Age", "seconds"),
    ]
    rows = [
        (
            model.name,
            model.version,
            ", ".join(model.aliases) or None,
            model.created_at,
            _age(view, model.created_at),
        )
        for model in models
    ]
    table = Table("models", "Registered versions, the latest first", columns, rows)
    where = view.settings.dashboard.mlflow_url or "the pages that 'sparkperso ui' opens"
    return Section(
        "Models", f"Their runs, parameters and plots are in MLflow: {where}.", table=table
    )


def _age(view: View, moment: datetime | None) -> float | None:
    return None if moment is None else (view.now - moment).total_seconds()
