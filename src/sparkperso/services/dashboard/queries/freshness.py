"""How old each table and model is, by the lake's own records."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from sparkperso.core.places import local_path
from sparkperso.schemas import TABLES
from sparkperso.services.dashboard.queries.lake import AbsentTable, LakeTables


@dataclass(frozen=True)
class TableAge:
    """A table of the catalogue: how large it is, and when it was last written."""

    table: str
    writer: str
    n_rows: int | None = None
    n_bytes: int | None = None
    version: int | None = None
    written_at: datetime | None = None


@dataclass(frozen=True)
class ModelAge:
    """The latest version of a registered model, and the one that lists are made with."""

    name: str
    version: str
    created_at: datetime
    aliases: tuple[str, ...]


def table_ages(lake: LakeTables) -> list[TableAge]:
    """Returns all tables of the catalogue, those that nobody has written yet without figures."""
    return [_age_of(lake, name, spec.writer) for name, spec in sorted(TABLES.items())]


def _age_of(lake: LakeTables, name: str, writer: str) -> TableAge:
    try:
        delta = lake.open(name)
    except AbsentTable:
        return TableAge(name, writer)
    # The log alone: neither the rows nor the files are looked at.
    commit = delta.history(1)[0]["timestamp"]
    sizes = delta.get_add_actions(flatten=True)["size_bytes"].to_pylist()
    return TableAge(
        name,
        writer,
        int(delta.count()),
        sum(sizes),
        delta.version(),
        datetime.fromtimestamp(commit / 1000, timezone.utc),
    )


def model_ages(lake: LakeTables) -> list[ModelAge]:
    """Returns all versions in the lake's own registry, latest first; none where it is elsewhere.

    MLflow's SQLite file is read as it is; services import no MLflow.
    """
    root = local_path(lake.reader.root)
    database = Path(root) / "_mlflow" / "mlflow.db" if root else None
    if database is None or not database.is_file():
        return []
    sql = (
        "SELECT v.name, v.version, v.creation_time, group_concat(a.alias) FROM model_versions v "
        "LEFT JOIN registered_model_aliases a ON a.name = v.name AND a.version = v.version "
        "GROUP BY v.name, v.version, v.creation_time ORDER BY v.creation_time DESC, v.name"
    )
    try:
        address = f"{database.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
            rows = connection.execute(sql).fetchall()
    except sqlite3.Error:
        # A registry of another version of MLflow's, or one that is being made.
        return []
    return [
        ModelAge(
            str(name),
            str(version),
            datetime.fromtimestamp(created / 1000, timezone.utc),
            tuple(sorted(aliases.split(","))) if aliases else (),
        )
        for name, version, created, aliases in rows
    ]
