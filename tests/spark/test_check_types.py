"""What `sources check` says of types without Spark is what Spark does with the same texts."""

from __future__ import annotations

import json

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.config.sources.input import InputConfig
from sparkperso.ingest.check.spark_types import misfit, parse_type
from sparkperso.ingest.sources.expand import with_types

SIMPLE = ("int", "bigint", "double", "boolean", "string")
TEXTS = ("1", "-3", " 7 ", "1.5", "1e3", "true", "yes", "T", "0", "x", "1,5", "12a", "NULL")
INNER = (1, -3, 1.5, True, "1", "1.5", "true", "x")


def read(spark, pairs):
    """Returns (text, type) → what ingest reads of a text column of that type."""
    found = {}
    for kind in dict.fromkeys(kind for _, kind in pairs):
        texts = [text for text, other in pairs if other == kind]
        source = InputConfig(name="x", fields=("c",), types={"c": kind})
        schema = T.StructType([T.StructField("c", T.StringType())])
        rows = with_types(spark.createDataFrame([(text,) for text in texts], schema), source)
        rows = rows.select("_text_c", F.to_json(F.struct("c")).alias("c"))
        found |= {(row["_text_c"], kind): json.loads(row["c"]).get("c") for row in rows.collect()}
    return found


def test_a_text_fits_a_simple_type_where_spark_reads_it(spark):
    pairs = [(text, kind) for text in TEXTS for kind in SIMPLE]
    for (text, kind), value in read(spark, pairs).items():
        assert (value is not None) == (misfit(text, parse_type(kind)) == ""), (text, kind, value)


@pytest.mark.parametrize("form", ["array<{}>", "struct<a:{}>", "array<struct<a:{}>>"])
def test_a_value_within_json_fits_where_spark_reads_it(spark, form):
    wrap = {
        "array<{}>": lambda one: [one],
        "struct<a:{}>": lambda one: {"a": one},
        "array<struct<a:{}>>": lambda one: [{"a": one}],
    }[form]
    pairs = [(json.dumps(wrap(one)), form.format(kind)) for one in INNER for kind in SIMPLE]
    for (text, kind), value in read(spark, pairs).items():
        whole = json.dumps(value)
        is_read = value is not None and "null" not in whole and whole not in ("{}", "[{}]", "[]")
        assert is_read == (misfit(text, parse_type(kind)) == ""), (text, kind, value)
