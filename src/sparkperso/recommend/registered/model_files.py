"""The files of a registered recommender: what it is, its items, its arrays. No pickle, no code.

| file | holds |
|---|---|
| model.json | the document: parameters, figures, settings of lists, tables and their versions |
| items.parquet | items by position, with what was known of them at training |
| arrays/<name>.<block>.npy | the model, and the popularity that fills its lists |

Above a bound there are no arrays: they are read from gold/model_arrays then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sparkperso.core.columns import ITEM_ID
from sparkperso.recommend.arrays.catalogue import Catalogue
from sparkperso.recommend.models.base import Arrays
from sparkperso.recommend.models.model_arrays import Row, from_rows

DOCUMENT, ITEMS, ARRAYS = "model.json", "items.parquet", "arrays"
STRINGS = pa.map_(pa.string(), pa.string())


def write_arrays(folder: Path, rows: Iterable[Row]) -> None:
    """Writes the arrays of a model, a file per block."""
    (folder / ARRAYS).mkdir(parents=True)
    for name, block, data in rows:
        (folder / ARRAYS / f"{name}.{block}.npy").write_bytes(data)


def read_arrays(folder: Path) -> Arrays | None:
    """Returns what `write_arrays` wrote; None where it wrote nothing."""
    rows = []
    for path in (folder / ARRAYS).glob("*.npy"):
        name, _, block = path.stem.rpartition(".")
        rows.append((name, int(block), path.read_bytes()))
    return from_rows(rows) if rows else None


def write_items(folder: Path, catalogue: Catalogue) -> None:
    """Writes the catalogue: one row per item, by position."""
    attributes = catalogue.attributes or ({},) * len(catalogue)
    table = pa.table(
        {
            ITEM_ID: pa.array(catalogue.ids, pa.string()),
            "text": pa.array(catalogue.texts, pa.string()),
            "category": pa.array(catalogue.categories, pa.string()),
            "price": pa.array(catalogue.prices, pa.float64()),
            "attributes": pa.array([list(own.items()) for own in attributes], STRINGS),
        }
    )
    pq.write_table(table, folder / ITEMS, compression="zstd")


def read_items(folder: Path) -> Catalogue:
    """Returns the catalogue that `write_items` wrote."""
    table = pq.read_table(folder / ITEMS)
    return Catalogue(
        table.column(ITEM_ID).to_numpy().astype(object),
        table.column("text").to_numpy().astype(object),
        table.column("category").to_numpy().astype(object),
        table.column("price").to_numpy().astype(np.float64),
        tuple(dict(pairs) for pairs in table.column("attributes").to_pylist()),
    )


def is_complete(folder: Path) -> bool:
    """Returns whether a folder holds what a recommender is loaded from."""
    return (folder / DOCUMENT).is_file() and (folder / ITEMS).is_file()


def read_document(folder: Path) -> Mapping[str, Any]:
    """Returns the document."""
    document: dict[str, Any] = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    return document
