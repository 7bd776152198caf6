"""Re-keying in tables gives what the plain function gives, and touches nothing else."""

from __future__ import annotations

import re

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from sparkperso.ingest.rekey import (
    new_names,
    one_row_per_key,
    pseudonyms_in,
    rewritten,
    text_of,
    under_current_key,
)
from sparkperso.privacy import Pseudonyms
from sparkperso.privacy.keys import Keys

SECRETS = {"k1": b"1" * 32, "k2": b"2" * 32, "xk1": b"3" * 32}
CHAINS = {"k1": ("k1",), "k2": ("k1", "k2"), "xk1": ("xk1",)}
OLD, NEW = Keys(SECRETS, CHAINS, "k1"), Keys(SECRETS, CHAINS, "k2")
OTHER = Pseudonyms(Keys(SECRETS, CHAINS, "xk1"))
ANNA, BEN = (Pseudonyms(OLD).of("email", f"{name}@example.com") for name in ("anna", "ben"))


def as_new(text):
    one = re.compile(r"(?<![a-z0-9])k1:email:[0-9a-f]{32}(?![0-9a-f])")
    return one.sub(lambda found: Pseudonyms(NEW).rekey(found[0]), text) if text else text


ROWS = [
    (
        ANNA,
        {"a": f'{{"traits":{{"email":"{BEN}"}}}}', ANNA: "key"},
        (f"{ANNA} {BEN} {ANNA}",),
        [BEN],
    ),
    (OTHER.of("email", "x@example.com"), {"b": f"{ANNA}0"}, (f"0{ANNA}",), [None, "k1:email:00"]),
    (Pseudonyms(NEW).of("email", "anna@example.com"), {}, None, None),
    (None, None, ("plain",), []),
]
SCHEMA = "id string, map map<string,string>, struct struct<text:string>, list array<string>"


@pytest.fixture
def rows(spark):
    return spark.createDataFrame([(n, *row) for n, row in enumerate(ROWS)], f"n int, {SCHEMA}")


def test_every_text_of_a_row_is_rewritten_and_nothing_else(rows):
    schema = rows.schema
    marked = rows.alias("old").select(
        "*", pseudonyms_in(text_of(schema, "old"), NEW).alias("found")
    )
    joined = marked.join(new_names(marked.select("found"), NEW), on="found", how="left")
    kinds = {f.name: f.dataType for f in schema if not isinstance(f.dataType, T.IntegerType)}
    renames = F.coalesce("renames", F.from_json(F.lit("{}"), "map<string,string>"))
    values = [rewritten(F.col(n), kind, renames).alias(n) for n, kind in kinds.items()]
    found = [tuple(row) for row in joined.orderBy("n").select(*values).collect()]
    assert found == [
        (
            as_new(name),
            None if texts is None else {key: as_new(text) for key, text in texts.items()},
            None if struct is None else (as_new(struct[0]),),
            None if listed is None else [as_new(text) for text in listed],
        )
        for name, texts, struct, listed in ROWS
    ]
    assert found[0][0] == ROWS[2][0]


def test_whole_names_go_under_the_current_key(rows):
    found = under_current_key(rows.select("n", "id"), ["id"], NEW).orderBy("n").collect()
    assert [row["id"] for row in found] == [as_new(row[0]) for row in ROWS]


def test_of_two_rows_of_one_key_one_stays(spark):
    frame = spark.createDataFrame([("u", 7), ("u", 3), ("v", 1)], "user_id string, user_index int")
    assert sorted(map(tuple, one_row_per_key(frame, ["user_id"]).collect())) == [("u", 3), ("v", 1)]
