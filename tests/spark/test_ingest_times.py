"""Event times of every form come to the same instant."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T
from tests.times import INSTANTS, NONE, WALL

from sparkperso.ingest.times import choose_formats, event_time
from sparkperso.recommend.benchmark.read_ratings import moment

UK = ["d/M/yyyy H:mm[:ss]", "M/d/yyyy H:mm[:ss]"]


def read(spark, texts, zone="UTC", formats=(), kind="string"):
    frame = spark.createDataFrame([(text,) for text in texts], "sent string")
    sent = F.col("sent").cast(kind)
    frame = frame.select(sent.alias("sent"))
    time = event_time(F.col("sent"), frame.schema["sent"].dataType, zone, formats)
    return [row[0] for row in frame.select(time.cast("string")).collect()]


def in_json(sent):
    """A number as it comes out of a JSON file."""
    return sent if isinstance(sent, str) else str(sent)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
def test_a_time_that_says_its_instant(spark, zone):
    found = read(spark, [in_json(sent) for sent, _ in INSTANTS], zone)
    assert found == [meant for _, meant in INSTANTS]


def test_wall_time_goes_by_the_zone_of_the_source(spark):
    texts = [sent for sent, _ in WALL]
    assert read(spark, texts) == [meant for _, meant in WALL]
    with_zone = [f"{meant} Asia/Tokyo" for _, meant in WALL]
    assert read(spark, texts, "Asia/Tokyo") == read(spark, with_zone)


def test_what_is_no_time_is_null(spark):
    assert read(spark, NONE, "Europe/London", UK) == [None] * len(NONE)


@pytest.mark.parametrize(("kind", "of"), [("bigint", int), ("double", float)])
def test_numbers_of_a_typed_column(spark, kind, of):
    numbers = [(sent, meant) for sent, meant in INSTANTS if type(sent) is of]
    frame = spark.createDataFrame([(sent,) for sent, _ in numbers], f"sent {kind}")
    time = event_time(F.col("sent"), frame.schema["sent"].dataType, "Europe/Paris")
    found = [row[0] for row in frame.select(time.cast("string")).collect()]
    assert found == [meant for _, meant in numbers]


def test_the_benchmark_reads_the_same(spark):
    vectors = [(in_json(sent), meant) for sent, meant in (*INSTANTS, *WALL)]
    vectors += [(text, None) for text in NONE if text not in ("2026", "99", "20260601")]
    frame = spark.createDataFrame(vectors, "sent string, meant string")
    rows = frame.select("sent", "meant", moment(frame, "sent").cast("string").alias("f")).collect()
    assert [(row.sent, row.f) for row in rows] == [(row.sent, row.meant) for row in rows]
    counter = spark.createDataFrame([(1,), (2,)], "at bigint")
    assert [row[0] for row in counter.select(moment(counter, "at").cast("string")).collect()] == [
        "1970-01-01 00:00:01",
        "1970-01-01 00:00:02",
    ]


def test_the_zone_of_the_session_does_not_matter(spark):
    texts = [in_json(sent) for sent, _ in (*INSTANTS, *WALL)]
    frame = spark.createDataFrame([(text,) for text in texts], "sent string")
    micros = F.unix_micros(event_time(F.col("sent"), T.StringType(), "Europe/Paris"))
    found = frame.select(micros).collect()
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        assert frame.select(micros).collect() == found
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_the_smallest_bigint_is_no_error(spark):
    frame = spark.createDataFrame([(-(2**63),), (None,)], "sent bigint")
    time = event_time(F.col("sent"), T.LongType(), "UTC")
    assert frame.select(F.year(time) < 1900).collect() == [(True,), (None,)]


def test_a_pattern_that_reads_a_zone_gives_an_instant(spark):
    pattern = ["d/M/yyyy H:mm VV"]
    assert read(spark, ["1/6/2026 12:00 Europe/Paris"], "Europe/London", pattern) == [
        "2026-06-01 10:00:00"
    ]


def test_winter_time_is_utc_in_london(spark):
    assert read(spark, ["2009-12-01 07:45:00"], "Europe/London") == ["2009-12-01 07:45:00"]


@pytest.mark.parametrize(
    ("kind", "text", "instant"),
    [
        ("timestamp", "2026-07-01 12:00:00", "2026-07-01 12:00:00"),
        ("timestamp_ntz", "2026-07-01 13:00:00", "2026-07-01 12:00:00"),
        ("date", "2026-07-01", "2026-06-30 23:00:00"),
        ("bigint", "1782907200000", "2026-07-01 12:00:00"),
        ("bigint", "1782907200000000000", "2026-07-01 12:00:00"),
        ("double", "1782907200000", "2026-07-01 12:00:00"),
    ],
)
def test_typed_times(spark, kind, text, instant):
    assert read(spark, [text], "Europe/London", kind=kind) == [instant]


def test_one_pattern_is_chosen_for_a_whole_input(spark):
    days = [(f"{month}/{day}/2010 8:26",) for month in (1, 12) for day in (1, 5, 13, 31)]
    american = spark.createDataFrame(days, "sent string")
    assert choose_formats(american, UK) == (UK[1],)


def test_no_pattern_is_tried_on_iso_times(spark):
    frame = spark.createDataFrame([("2026-07-01 12:00:00",), (None,)], "sent string")
    assert choose_formats(frame, UK) == ()
