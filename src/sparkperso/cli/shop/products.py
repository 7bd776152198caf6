"""What the demo shop sells: the items of a lake, what sells most first."""

from __future__ import annotations

import json
from pathlib import Path

from sparkperso.config import Settings
from sparkperso.platform.lake_reader import LakeReader

ITEMS, EVENTS, POPULAR = "silver/items", "silver/events", "gold/popular_items"
MOST_PRODUCTS, MOST_POPULAR = 20_000, 2_000
COLUMNS = ("item_id", "title", "category", "price")


def write_products(settings: Settings, file: Path) -> int:
    """Writes the items that have a title as JSON lines; returns how many there are.

    In the order of the shop's popular items, then by id. Raises UsageError for a lake without
    items.
    """
    lake = LakeReader(settings.lake)
    rows = lake.select(ITEMS, "title IS NOT NULL", MOST_PRODUCTS, "item_id")
    order: dict[str, int] = {}
    if lake.open(POPULAR) is not None:
        popular = lake.select(POPULAR, "scope = 'global'", MOST_POPULAR, "rank")
        order = {row["item_id"]: row["rank"] for row in popular}
    rows.sort(key=lambda row: order.get(row["item_id"], MOST_POPULAR + 1))
    lines = (json.dumps({name: row[name] for name in COLUMNS}) for row in rows)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(rows)


def currency_of(settings: Settings) -> str | None:
    """Returns the currency of the latest purchase that names one."""
    where = "event_type = 'purchase' AND currency IS NOT NULL"
    rows = LakeReader(settings.lake).select(EVENTS, where, 1, "timestamp DESC")
    return str(rows[0]["currency"]) if rows else None
