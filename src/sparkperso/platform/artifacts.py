"""Where the artifacts of a lake's own MLflow lie: in the lake, wherever that is now.

MLflow writes absolute addresses into its database: of an experiment, its runs, the models of the
registry. A lake that was moved, copied or restored would read the files of the old place, or none.
This module needs no MLflow: `sparkperso ui` and `open_lake` do without.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from sparkperso.core.places import local_path

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


def registered_name(prefix: str, name: str) -> str:
    """Returns the name of a model in a registry of one level.

    >>> registered_name("teams/shop", "recommender")
    'shop-recommender'
    """
    return f"{prefix.rsplit('/', maxsplit=1)[-1]}-{name}"


def registered_folder(root: Path, name: str, alias: str) -> tuple[str, Path] | None:
    """Returns number and folder of the registered version that an alias points at in a lake's own.

    Read by the database alone, also where the lake was moved since it was written; None where there
    is no such alias.
    """
    database = root / "_mlflow" / "mlflow.db"
    if not database.is_file():
        return None
    sql = (
        "SELECT v.version, coalesce(v.storage_location, v.source) FROM model_versions v "
        "JOIN registered_model_aliases a ON a.name = v.name AND a.version = v.version "
        "WHERE a.name = ? AND a.alias = ?"
    )
    address = f"{database.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=60)) as connection:
        found = connection.execute(sql, (name, alias)).fetchone()
    if found is None:
        return None
    version, place = found
    _, within, rest = place.rpartition(f"{SUFFIX}/")
    if within:
        return str(version), root / within.strip("/") / unquote(rest)
    return str(version), Path(local_path(place) or place)


def lake_around(folder: Path) -> Path | None:
    """Returns the lake whose own MLflow a folder of artifacts lies in; None for any other folder.

    >>> lake_around(Path("/data/lake/_mlflow/artifacts/sparkperso/train-recommender/models/m-1"))
    PosixPath('/data/lake')
    """
    within = (parent for parent in folder.parents if parent.as_posix().endswith(SUFFIX))
    return next((place.parents[1] for place in within), None)


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
