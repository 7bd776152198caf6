"""Where the artifacts of a lake's own MLflow lie: in the lake, wherever that is now.

MLflow writes absolute addresses into its database: of an experiment, its runs, the models of the
registry. A lake that was moved, copied or restored would read the files of the old place, or none.
This module needs the standard library alone, so that `sparkperso ui` can do without MLflow.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

SUFFIX = "/_mlflow/artifacts"
"""How the place ends that a lake gives its artifacts (`Settings.artifact_root`)."""
# Table and column of every address; those of a later MLflow that are not there are left out.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def follow_lake(database: Path, root: str) -> int:
    """Rewrites the addresses in MLflow's SQLite file that lie in another place of the lake.

    `root` is the address of the artifacts as it is now. Only addresses under an experiment's
    former `…/_mlflow/artifacts` change, all in one transaction; whoever configured another place
    keeps it. Returns how many addresses changed. Does nothing where there is no database yet.
    """
    if not database.is_file() or not root.endswith(SUFFIX):
        return 0
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        columns = [pair for pair in ADDRESSES if _has(connection, *pair)]
        if ADDRESSES[0] not in columns:
            return 0
        # An experiment's place is `<root>/<name>`.
        rows = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
        roots = {place.removesuffix(f"/{name}") for name, place in rows if place}
        former = sorted({one for one in roots if one.endswith(SUFFIX)} - {root})
        return sum(_move(connection, *column, old, root) for old in former for column in columns)


def _move(connection: sqlite3.Connection, table: str, column: str, old: str, new: str) -> int:
    # Compared by a prefix, not by LIKE: `_` and `%` may stand in a folder's name.
    length = len(old) + 1
    changed = connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
        (new, length, length, f"{old}/"),
    )
    return changed.rowcount


def _has(connection: sqlite3.Connection, table: str, column: str) -> bool:
    names = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    return (column,) in names
