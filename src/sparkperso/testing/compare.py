"""Compares frames, tables and lakes row for row, but for the columns that belong to a run."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.core.columns import RUN_COLUMNS
from sparkperso.platform.lake import Lake
from sparkperso.platform.literals import empty_array
from sparkperso.schemas import TABLES

SHOWN = 5
FRACTIONS = (T.DoubleType, T.FloatType)


def assert_same_rows(
    left: DataFrame, right: DataFrame, tolerance: float = 0.0, ignore: Iterable[str] = RUN_COLUMNS
) -> None:
    """Raises AssertionError that shows rows which only one of the frames has.

    Rows count as often as they occur; their order, the order of columns and that of map entries do
    not matter. Fractions, nested ones too, may differ by `tolerance` times the greater of 1 and
    their size; all else must be equal.
    """
    ignored = set(ignore)
    columns = [sorted(set(frame.columns) - ignored) for frame in (left, right)]
    if columns[0] != columns[1]:
        raise AssertionError(f"columns differ: {columns[0]} and {columns[1]}")
    sides = (_numbered(left.select(*columns[0]), "l"), _numbered(right.select(*columns[0]), "r"))
    pairs = sides[0].join(sides[1], on=["rest", "number"], how="full")
    same = F.coalesce(_close(F.col("l"), F.col("r"), tolerance), F.lit(False))
    different = pairs.where(~same).orderBy("rest", "number").take(SHOWN)
    if different:
        lines = [f"{row.rest}: fractions {row.l} on the left, {row.r}" for row in different]
        raise AssertionError("rows differ (null: there is no such row)\n" + "\n".join(lines))


def assert_same_tables(
    left: Lake, right: Lake, tables: Iterable[str] | None = None, tolerance: float = 0.0
) -> None:
    """Compares tables of two lakes; all that are not about the runs themselves, unless named.

    Raises AssertionError that names every table that differs.
    """
    names = [n for n in TABLES if not n.startswith("ops/")] if tables is None else list(tables)
    failures = [
        difference for name in names if (difference := _difference(left, right, name, tolerance))
    ]
    if failures:
        raise AssertionError("\n\n".join(failures))


def _difference(left: Lake, right: Lake, name: str, tolerance: float) -> str:
    refs = left.ref(name), right.ref(name)
    there = [ref.exists() for ref in refs]
    if there[0] != there[1]:
        return f"{name}: only {'left' if there[0] else 'right'} has the table"
    if not there[0]:
        return ""
    try:
        assert_same_rows(refs[0].read(), refs[1].read(), tolerance)
    except AssertionError as error:
        return f"{name}: {error}"
    return ""


def _numbered(frame: DataFrame, side: str) -> DataFrame:
    """Rows as (rest, number, fractions): all but fractions as text, and which of equal ones."""
    values = {f.name: (F.col(f"`{f.name}`"), f.dataType) for f in frame.schema}
    rest = F.to_json(F.struct(*(_rest(v, kind).alias(n) for n, (v, kind) in values.items())))
    none = empty_array("double")
    fractions = F.concat(none, *(_fractions(v, kind) for v, kind in values.values()))
    parts = frame.select(rest.alias("rest"), fractions.alias(side))
    number = F.row_number().over(W.partitionBy("rest").orderBy(side))
    return parts.withColumn("number", number)


def _close(left: Column, right: Column, tolerance: float) -> Column:
    pairs = F.zip_with(left, right, lambda a, b: _near(a, b, tolerance))
    return (F.size(left) == F.size(right)) & F.forall(pairs, lambda is_near: is_near)


def _near(a: Column, b: Column, tolerance: float) -> Column:
    allowed = F.lit(tolerance) * F.greatest(F.lit(1.0), F.abs(a))
    return a.eqNullSafe(b) | F.coalesce(F.abs(a - b) <= allowed, F.lit(False))


def _rest(value: Column, kind: T.DataType) -> Column:
    """The value with whether there is a fraction in place of every fraction."""
    if isinstance(kind, FRACTIONS):
        return value.isNotNull()
    if isinstance(kind, T.MapType):
        return _rest(_entries(value), _entry_type(kind))
    if isinstance(kind, T.ArrayType):
        return F.transform(value, lambda part: _rest(part, kind.elementType))
    if isinstance(kind, T.StructType):
        parts = [_rest(value[f.name], f.dataType).alias(f.name) for f in kind]
        return F.when(value.isNotNull(), F.struct(*parts))
    return value


def _fractions(value: Column, kind: T.DataType) -> Column:
    """All fractions in the value, in order."""
    none = empty_array("double")
    fractions = none
    if isinstance(kind, FRACTIONS):
        fractions = F.array(value.cast("double"))
    elif isinstance(kind, T.MapType):
        fractions = _fractions(_entries(value), _entry_type(kind))
    elif isinstance(kind, T.ArrayType):
        fractions = F.flatten(F.transform(value, lambda part: _fractions(part, kind.elementType)))
    elif isinstance(kind, T.StructType):
        fractions = F.concat(none, *(_fractions(value[f.name], f.dataType) for f in kind))
    return F.coalesce(fractions, none)


def _entries(value: Column) -> Column:
    return F.array_sort(F.map_entries(value))


def _entry_type(kind: T.MapType) -> T.ArrayType:
    return T.ArrayType(T.StructType().add("key", kind.keyType).add("value", kind.valueType))
