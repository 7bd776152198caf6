"""Columns that stand in the names of folders: `channel=mobile/part.parquet`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from pyspark.sql import Column
from pyspark.sql import functions as F

from sparkperso.config.sources.input import InputConfig
from sparkperso.ingest.sources.column_matching import is_same_name, spellings

FOLDER = re.compile(r"(?<=/)([^/=]+)=[^/]*(?=/)")
NULL = "__HIVE_DEFAULT_PARTITION__"
NO_ESCAPE = "%(?![0-9A-Fa-f]{2})"


def folder_columns(addresses: Iterable[str], source: InputConfig) -> dict[str, Column]:
    """Returns column of the source → its text in the address `_file`, null where it has none.

    Only names that the source knows are columns, wherever in the path they stand.
    """
    named = {unquote(name) for address in addresses for name in FOLDER.findall(address)}
    found: dict[str, list[str]] = {}
    for column in source.all_fields:
        same = [n for n in sorted(named) if is_same_name(n, spellings(source, column))]
        if same:
            found[column] = same
    return {
        column: F.coalesce(*(_value(name) for name in names)) for column, names in found.items()
    }


def _value(name: str) -> Column:
    """An address is percent-encoded once, and what Hive and Spark write into it once more."""
    pattern = f"/(?:{re.escape(name)}|{re.escape(quote(name))})=([^/]*)/"
    text = F.replace(F.regexp_extract("_file", pattern, 1), F.lit("+"), F.lit("%2B"))
    once = F.try_url_decode(text)
    for lone, escaped in ((r"\+", "%2B"), (NO_ESCAPE, "%25")):
        once = F.regexp_replace(once, lone, escaped)
    value = F.try_url_decode(once)
    return F.when(~value.isin("", NULL), value)
