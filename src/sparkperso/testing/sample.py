"""A small sample of the bundled real data: all lines of some customers, and some without one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sparkperso.core.package import DATA

# One line in so many is taken, so that many customers fit a small file.
EVERY = 4

BUNDLED = DATA / "online_retail_2009_2010.parquet"


def write_sample(path: Path, customers: int = 200, anonymous_invoices: int = 100) -> Path:
    """Writes a quarter of the lines of the busiest customers and of the first anonymous invoices.

    Returns `path`. The rows are as the shop left them: cancellations, duplicates and all.
    """
    lines = pq.read_table(BUNDLED)
    counts = lines.group_by("Customer ID").aggregate([("Invoice", "count")]).drop_null()
    busiest = counts.sort_by([("Invoice_count", "descending"), ("Customer ID", "ascending")])
    named = pc.is_in(lines["Customer ID"], busiest["Customer ID"].slice(0, customers))
    invoices = lines.filter(pc.is_null(lines["Customer ID"]))["Invoice"].unique()
    first = invoices.take(pc.array_sort_indices(invoices)).slice(0, anonymous_invoices)
    nameless = pc.and_(pc.is_null(lines["Customer ID"]), pc.is_in(lines["Invoice"], first))
    chosen = lines.filter(pc.or_(named, nameless))
    pq.write_table(chosen.take(pa.array(range(0, chosen.num_rows, EVERY))), path)
    return path
